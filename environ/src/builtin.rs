//! Builtins: operations that compiled code leaves to the runtime, one row each.
//!
//! A row is the builtin's signature as both compilers call it. Compiled code loads the address from
//! `VmContext::builtins[number]` and calls it with `CallConv::Tail`; what it finds there is a trampoline (bytes from `x64/`)
//! that changes to the host's stack and calls the runtime's `extern "C"` function of the same name. A builtin that fails
//! records the trap in the store context and returns anything: the trampoline looks at `VmStoreContext::pending` and
//! unwinds, so compiled code never checks. Those that move or fill bytes do so in the trampoline itself where there are few.
//!
//! Every builtin takes at most six arguments, all integers or pointers, the first being the caller's VM context, and
//! returns nothing or one integer: so arguments are in the same registers under `Tail` and the System V convention.

/// A machine type in a builtin's signature.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum AbiType {
    /// 32 bits; the upper half of the register is undefined.
    I32,
    /// 64 bits.
    I64,
    /// A host pointer.
    Ptr,
    /// The address of a [`VmMemory`](crate::vm::VmMemory) of the caller's instance.
    Bytes,
    /// A handle, 32 bits. The runtime holds a count on one that is passed until the builtin returns.
    Ref,
    /// The same, of a reference on its way into the caller's frame: it is in the activations table afterwards.
    Entering,
    /// The handle of an object without any count left, 32 bits.
    Dead,
    /// Where the values of an exception are, 16 bytes each, whose tag the argument before this one names. The
    /// runtime holds a count on the references among them until the builtin returns.
    Values,
}

macro_rules! builtins {
    ($($(#[$doc:meta])* $variant:ident $name:ident ($($arg:ident: $ty:ident),*) $(-> $ret:ident)?;)*) => {
        /// A builtin, numbered by its place in the table.
        #[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum Builtin { $($(#[$doc])* $variant,)* }

        impl Builtin {
            /// Every builtin, in table order.
            pub const ALL: &'static [Builtin] = &[$(Builtin::$variant,)*];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The name of the runtime's function.
            pub const fn name(self) -> &'static str {
                match self { $(Builtin::$variant => stringify!($name),)* }
            }

            /// Parameters after the VM context.
            pub const fn params(self) -> &'static [AbiType] {
                match self { $(Builtin::$variant => &[$(AbiType::$ty,)*],)* }
            }

            /// Whether the trampoline saves all registers, since calls are in the way of code that hardly
            /// ever makes them. There is no result then.
            pub const fn keeps_registers(self) -> bool {
                matches!(self, Builtin::ActivationsInsert | Builtin::ReleaseLast)
            }

            /// The result, if there is one.
            pub const fn result(self) -> Option<AbiType> {
                match self { $(Builtin::$variant => { #[allow(unused_mut, unused_assignments)] let mut r = None; $(r = Some(AbiType::$ret);)? r })* }
            }
        }

        /// Calls `$macro! { Variant name (arg: Ty, ..) -> Ret; .. }` with every row, so that the runtime's table of
        /// functions cannot miss one.
        #[macro_export]
        macro_rules! for_each_builtin {
            ($mac:ident) => { $mac! { $($variant $name ($($arg: $ty),*) $(-> $ret)?;)* } };
        }
    };
}

builtins! {
    /// `memory.grow`: pages before, or -1 (as i64 for 64-bit memories, low half for 32-bit ones).
    MemoryGrow memory_grow(memory: I32, pages: I64) -> I64;
    /// `memory.fill` on `memory`; `len` bytes at `dst`.
    MemoryFill memory_fill(memory: Bytes, dst: I64, value: I32, len: I64);
    /// `memory.copy`; `memory.init`, whose source is a data segment.
    MemoryCopy memory_copy(dst_memory: Bytes, source: Bytes, dst: I64, src: I64, len: I64);
    /// `memory.atomic.wait32` at `index + offset`: 0 woken, 1 another value, 2 timed out. `timeout` in ns, negative for none.
    AtomicWait32 atomic_wait32(memory: I32, index: I64, offset: I64, expected: I32, timeout: I64) -> I32;
    /// `memory.atomic.wait64`.
    AtomicWait64 atomic_wait64(memory: I32, index: I64, offset: I64, expected: I64, timeout: I64) -> I32;
    /// `memory.atomic.notify` at `index + offset`: how many were woken.
    AtomicNotify atomic_notify(memory: I32, index: I64, offset: I64, count: I32) -> I32;
    /// `data.drop`.
    DataDrop data_drop(data: I32);
    /// `table.grow` of a table of functions; entries before, or -1. `init` is a funcref record or null.
    TableGrowFunc table_grow_func(table: I32, init: Ptr, delta: I64) -> I64;
    /// `table.grow` of a table of handles.
    TableGrowRef table_grow_ref(table: I32, init: Ref, delta: I64) -> I64;
    /// `table.fill` of a table of functions.
    TableFillFunc table_fill_func(table: I32, dst: I64, value: Ptr, len: I64);
    /// `table.fill` of a table of handles.
    TableFillRef table_fill_ref(table: I32, dst: I64, value: Ref, len: I64);
    /// `table.set` of a table of functions (bounds already checked by compiled code are checked again here).
    TableSetFunc table_set_func(table: I32, index: I64, value: Ptr);
    /// `table.copy`.
    TableCopy table_copy(dst_table: I32, src_table: I32, dst: I64, src: I64, len: I64);
    /// `table.init`.
    TableInit table_init(table: I32, elem: I32, dst: I64, src: I32, len: I32);
    /// `elem.drop`.
    ElemDrop elem_drop(elem: I32);
    /// `throw`: continues at a handler, or leaves wasm. `values` is an array of 16-byte places.
    Throw throw(tag: I32, values: Values);
    /// `throw_ref`.
    ThrowRef throw_ref(exception: Ref);
    /// Whether one canonical type is another or one of its subtypes (1 or 0); neither is `NO_TYPE`. For indirect calls of
    /// types that can have subtypes, where the callee's type is not the one that was named.
    IsSubtype is_subtype(sub: I32, sup: I32) -> I32;
    /// A handle has come into a frame, and there was no room for it in the activations table: sweeps, and inserts it.
    ActivationsInsert activations_insert(handle: Entering);
    /// Compiled code has taken away the last count of an object.
    ReleaseLast release_last(handle: Dead);
    /// A safe point of code that was compiled to be swept at every safe point ([`crate::compile::Settings::gc_stress`]).
    Sweep sweep();
}
