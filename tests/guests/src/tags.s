# The tags that C++ exceptions and long jumps are thrown with: the compiler refers to them, and nothing that comes with it defines
# them.
	.tagtype	__cpp_exception i32
	.globl	__cpp_exception
__cpp_exception:
	.tagtype	__c_longjmp i32
	.globl	__c_longjmp
__c_longjmp:
