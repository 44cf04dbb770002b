//! The first call of a function that is compiled when it is called: its stub comes here, by the way that
//! [`sconce_x64::stubs::resolve`] describes.

use crate::enter::guarded;
use crate::instance::Instance;
use crate::stop::Stop;
use sconce_environ::index::DefinedFuncIndex;
use sconce_environ::vm::VmContext;

/// Where a lazy stub's call goes on.
///
/// Whatever is in the caller's registers stays there, references too: so this is no safe point, and uses the store for nothing but to
/// say that the call has failed.
///
/// # Safety
/// To be called by the trampoline, with the context of the instance whose function `func` is.
pub(crate) unsafe extern "C" fn resolve(vmctx: *mut VmContext, func: u32) -> usize {
    // SAFETY: the caller's promise. Of the instance, its module alone is looked at, which never changes.
    unsafe {
        let module = &(*(*vmctx).instance.cast::<Instance>()).module;
        guarded((*vmctx).store, 0, || {
            let lazy = module.lazy().ok_or_else(|| Stop::Host(Box::new("a stub in a module that has none")))?;
            lazy.resolve(DefinedFuncIndex::from_u32(func)).map_err(Stop::Host)
        })
    }
}
