//! The second wall, as the command line wants it.

use crate::calls;
use crate::cli::{Confine, RunArgs};
use crate::report::{self, Failure};
use sconce_engine::Engine;
use sconce_wasi::{Confinement, WasiCtx};

/// Gives up what the program does not need, just before its first instruction. There is one thread.
///
/// # Errors
/// With `--confine require`: what could not be given up.
pub fn confine(args: &RunArgs, engine: &Engine, context: &WasiCtx) -> Result<(), Failure> {
    if args.confine == Confine::Off {
        log::info!("not confined: --confine off");
        return Ok(());
    }
    let refusal = calls::refusal();
    // While there are variables.
    report::shows_colours();
    let debuggable = args.debugger || args.profile.is_some();
    let walls = Confinement { calls: calls::SYSTEM_CALLS, refusal, debuggable, strict: args.confine == Confine::Require }
        .enter(engine, context);
    log::info!("confined: {walls}");
    let gaps: Vec<String> = walls.gaps().map(|(name, why)| format!("{name}: {why}")).collect();
    if args.confine == Confine::Require && !gaps.is_empty() {
        return Err(Failure::not_run(format!(
            "the program cannot be confined as --confine require wants ({}); --confine auto does what can be done",
            gaps.join("; ")
        )));
    }
    Ok(())
}
