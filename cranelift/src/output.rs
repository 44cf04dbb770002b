//! Cranelift's output as [`CompiledFunction`].

use crate::bodies;
use crate::location::{self, LEAVES, UNINTERRUPTIBLE};
use cranelift_codegen::binemit::Reloc as RelocKind;
use cranelift_codegen::ir::function::FunctionParameters;
use cranelift_codegen::ir::{self, ExternalName};
use cranelift_codegen::{
    CompiledCode, ExceptionContextLoc, Final, FinalizedMachExceptionHandler, FinalizedRelocTarget, MachBufferFinalized,
};
use sconce_environ::abi::returns_reference;
use sconce_environ::compile::{CallSite, CompiledFunction, FunctionInput, Reloc, RelocTarget};
use sconce_environ::handlers::{Handler, HandlerListBuilder, HandlerLists};
use sconce_environ::index::FuncIndex;
use sconce_environ::inlined::InlinedCall;
use sconce_environ::module::Module;
use sconce_environ::placement::{LINE, skew};
use sconce_environ::stack_maps::StackMaps;
use sconce_environ::trap::TrapCode;
use sconce_x64::foreign::{frame_move, jump_tables, keep_stack_pointer};

/// Converts a compiled function.
///
/// # Errors
/// If Cranelift left something that an artifact cannot hold: a library call, a relocation of another kind.
pub(crate) fn convert(
    code: &CompiledCode,
    params: &FunctionParameters,
    input: &FunctionInput<'_>,
    inlined: &[InlinedCall],
) -> Result<CompiledFunction, String> {
    let buffer = &code.buffer;
    let (call_sites, handlers) = call_sites(buffer)?;
    let mut machine_code = buffer.data().to_vec();
    ease_epilogues(&mut machine_code, buffer);
    Ok(CompiledFunction {
        code: machine_code,
        align: buffer.alignment.max(LINE),
        frame_size: buffer.frame_layout().ok_or("a frame of unknown size")?.frame_to_fp_offset,
        skew: skew(&code.bb_starts, &code.bb_edges, buffer.total_size(), buffer.alignment),
        relocs: relocations(buffer, params, input.module)?,
        traps: traps(buffer)?,
        wasm_offsets: wasm_offsets(buffer, input),
        inlined: bodies::numbered(inlined, input),
        stack_maps: stack_maps(buffer),
        uninterruptible: uninterruptible(buffer),
        call_sites,
        handlers,
        jump_tables: jump_tables(buffer.data(), &code.bb_starts),
    })
}

fn relocations(buffer: &MachBufferFinalized<Final>, params: &FunctionParameters, module: &Module) -> Result<Vec<Reloc>, String> {
    let convert = |r: &cranelift_codegen::FinalizedMachReloc| {
        let unexpected = || format!("unexpected relocation {:?} of {}", r.kind, r.target.display(Some(params)));
        let FinalizedRelocTarget::ExternalName(ExternalName::User(name)) = r.target else { return Err(unexpected()) };
        let func = FuncIndex::from_u32(params.user_named_funcs()[name].index);
        let target = match (r.kind, module.defined_func(func)) {
            (RelocKind::X86CallPCRel4, Some(func)) => RelocTarget::Function(func),
            (RelocKind::X86GOTPCRel4, Some(func)) => RelocTarget::Slot(func),
            (RelocKind::X86CallPCRel4, None) => {
                let returns_reference = returns_reference(module.type_of(func));
                RelocTarget::HostCall { behind: 0, returns_reference }
            }
            _ => return Err(unexpected()),
        };
        Ok(Reloc { offset: r.offset, target, addend: i32::try_from(r.addend).map_err(|_| unexpected())? })
    };
    buffer.relocs().iter().map(convert).collect()
}

fn traps(buffer: &MachBufferFinalized<Final>) -> Result<Vec<(u32, TrapCode)>, String> {
    let mut traps = Vec::with_capacity(buffer.traps().len());
    for trap in buffer.traps() {
        let code = trap_code(trap.code).ok_or_else(|| format!("unexpected trap code {}", trap.code))?;
        traps.push((trap.offset, code));
    }
    traps.sort_by_key(|&(offset, _)| offset);
    Ok(traps)
}

fn trap_code(code: ir::TrapCode) -> Option<TrapCode> {
    match code {
        ir::TrapCode::STACK_OVERFLOW => Some(TrapCode::StackOverflow),
        ir::TrapCode::HEAP_OUT_OF_BOUNDS => Some(TrapCode::MemoryOutOfBounds),
        ir::TrapCode::INTEGER_OVERFLOW => Some(TrapCode::IntegerOverflow),
        ir::TrapCode::INTEGER_DIVISION_BY_ZERO => Some(TrapCode::IntegerDivideByZero),
        ir::TrapCode::BAD_CONVERSION_TO_INTEGER => Some(TrapCode::InvalidConversionToInteger),
        user => TrapCode::from_u8(user.as_raw().get()),
    }
}

/// Runs of one operator's instructions. What belongs to none (the loads of constants, which Cranelift moves to their uses)
/// counts to the run before it, except at the start.
fn wasm_offsets(buffer: &MachBufferFinalized<Final>, input: &FunctionInput<'_>) -> Vec<(u32, u32)> {
    let mut runs: Vec<(u32, u32)> = vec![(0, u32::MAX)];
    for run in buffer.get_srclocs_sorted() {
        if run.loc.is_default() {
            continue;
        }
        let wasm = bodies::number(location::position(run.loc), input);
        match runs.last_mut() {
            Some(&mut (_, last)) if last == wasm => {}
            Some(last) if last.0 == run.start => last.1 = wasm,
            _ => runs.push((run.start, wasm)),
        }
    }
    runs
}

/// What is marked as [`UNINTERRUPTIBLE`], and before it, where a tail call needs more stack arguments than the function has, the
/// moving of the frame to make room for them.
fn uninterruptible(buffer: &MachBufferFinalized<Final>) -> Vec<(u32, u32)> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    // Between two instructions of a barrier there may be a few of another operator, of which it uses the
    // value. Only what one operator needs is joined: a loop of nothing but barriers can be interrupted
    // between them.
    const SHORT: u32 = 40;
    let mut last_loc = None;
    // What has no location of its own (moves of the register allocator, constants) belongs to what follows
    // it: it may stand in the middle of what must not be cut, or where a branch goes in its middle. Not so
    // the prologue.
    let mut before = None;
    for run in buffer.get_srclocs_sorted().iter().filter(|run| !run.loc.is_default()) {
        let from = before.replace(run.end).unwrap_or(run.start);
        if !location::has(run.loc, UNINTERRUPTIBLE) {
            continue;
        }
        match runs.last_mut() {
            Some(last) if last_loc == Some(run.loc) && from - last.1 <= SHORT => last.1 = run.end,
            _ => runs.push((from, run.end)),
        }
        last_loc = Some(run.loc);
    }
    if !runs.is_empty()
        && let Some(moved) = frame_move(buffer.data())
    {
        runs.insert(0, moved);
    }
    runs
}

/// Takes what slows the processor down out of epilogues.
fn ease_epilogues(code: &mut [u8], buffer: &MachBufferFinalized<Final>) {
    for run in buffer.get_srclocs_sorted().iter().filter(|run| location::has(run.loc, LEAVES)) {
        keep_stack_pointer(&mut code[run.start as usize..run.end as usize]);
    }
}

/// Calls with handlers. Each frame that has one keeps its VM context at one place for all of a call's handlers.
fn call_sites(buffer: &MachBufferFinalized<Final>) -> Result<(Vec<CallSite>, HandlerLists), String> {
    let mut lists = HandlerListBuilder::default();
    let mut sites = Vec::new();
    for site in buffer.call_sites().filter(|site| !site.exception_handlers.is_empty()) {
        let frame_size = site.frame_offset.ok_or("a call with handlers, in a frame of unknown size")?;
        let mut vmctx = None;
        let mut handlers = Vec::with_capacity(site.exception_handlers.len());
        for handler in site.exception_handlers {
            match *handler {
                FinalizedMachExceptionHandler::Context(ExceptionContextLoc::SPOffset(offset)) => {
                    vmctx = Some(offset.cast_signed() - frame_size.cast_signed());
                }
                FinalizedMachExceptionHandler::Tag(tag, code_offset) => {
                    handlers.push(Handler::of_clause(tag.as_u32(), code_offset));
                }
                ref other => return Err(format!("unexpected exception handler {other:?}")),
            }
        }
        let vmctx = vmctx.ok_or("a call with handlers, and no VM context")?;
        if let Some(handlers) = lists.add(&handlers) {
            sites.push(CallSite { return_offset: site.ret_addr, frame_size, vmctx, handlers });
        }
    }
    Ok((sites, lists.finish()))
}

/// Cranelift's maps are relative to the stack pointer, and come with its distance from the frame pointer.
fn stack_maps(buffer: &MachBufferFinalized<Final>) -> StackMaps {
    let mut maps = StackMaps::default();
    for &(return_offset, distance, ref map) in buffer.user_stack_maps() {
        let slots: Vec<i32> = map.entries().map(|(_, offset)| offset.cast_signed() - distance.cast_signed()).collect();
        if !slots.is_empty() {
            maps.push_map(return_offset, &slots);
        }
    }
    maps
}
