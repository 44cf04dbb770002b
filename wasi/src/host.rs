//! What the system interface means.

pub(crate) mod descriptor;
pub(crate) mod grants;
pub(crate) mod read_only;
pub(crate) mod resolve;
