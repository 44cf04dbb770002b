//! Where wasm code was: frames as module, function and offset. Names are found later, by `symbolize`.

use crate::compiled::CompiledModule;
use sconce_environ::index::FuncIndex;
use std::fmt;
use std::sync::Arc;

/// The wasm frames of a trap, innermost first; host frames are left out.
#[derive(Clone, Default)]
pub struct Backtrace {
    /// The frames; of a deep stack the innermost and the outermost ones.
    pub frames: Vec<Frame>,
    /// How many frames of a deep stack are left out; functions whose bodies stand in place of calls are not counted.
    pub omitted: usize,
    /// Before which of `frames` they would stand.
    pub omitted_at: usize,
}

/// One activation of a wasm function.
#[derive(Clone)]
pub struct Frame {
    /// Its module.
    pub module: Arc<CompiledModule>,
    /// Its function.
    pub func: FuncIndex,
    /// Offset of the operator in the module's binary, in bytes, where known.
    pub wasm_offset: Option<u32>,
}

impl fmt::Debug for Backtrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.frames).finish()
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "func[{}]", self.func.as_u32())?;
        match self.wasm_offset {
            Some(offset) => write!(f, "@{offset:#x}"),
            None => Ok(()),
        }
    }
}
