//! What debuggers are told of frames is right at every single instruction: a process single-steps itself
//! through wasm code and trampolines, keeps its own account of who called whom, and at each step walks by the
//! frame descriptions that it finds where a debugger finds them, up to the host. Return addresses and all
//! registers that callers find unchanged must be as they were at the call.

use crate::every_pc::{Handler, PROGRAM, TRAP_FLAG, code_mapping, install};
use gimli::{
    BaseAddresses, CfaRule, CieOrFde, EhFrame, LittleEndian, Register, RegisterRule, UnwindContext, UnwindSection, X86_64,
};
use sconce_engine::{Caller, Engine, Extern, Linker, Module, Store};
use sconce_faults::{STYLES, Style, assert_success, config, in_children};
use std::cell::UnsafeCell;
use std::ops::Range;

/// An object file in memory, as the interface for debuggers has it.
#[repr(C)]
struct Entry {
    next: *const Entry,
    previous: *const Entry,
    object: *const u8,
    size: u64,
}

#[repr(C)]
struct Descriptor {
    version: u32,
    action: u32,
    relevant: *const Entry,
    first: *const Entry,
}

unsafe extern "C" {
    static __jit_debug_descriptor: Descriptor;
}

/// The objects that a debugger would find.
fn objects() -> Vec<&'static [u8]> {
    let mut objects = Vec::new();
    // SAFETY: nobody registers or removes objects meanwhile: this process has one test, in one thread.
    unsafe {
        let mut entry = __jit_debug_descriptor.first.as_ref();
        while let Some(Entry { next, object, size, .. }) = entry {
            objects.push(std::slice::from_raw_parts(*object, *size as usize));
            entry = next.as_ref();
        }
    }
    objects
}

fn number(bytes: &[u8], at: usize, len: usize) -> usize {
    bytes[at..at + len].iter().rev().fold(0, |n, &b| n << 8 | usize::from(b))
}

/// A section of an ELF file.
fn section<'a>(object: &'a [u8], name: &str) -> &'a [u8] {
    let (headers, count, names) = (number(object, 0x28, 8), number(object, 0x3c, 2), number(object, 0x3e, 2));
    let header = |n: usize| &object[headers + 64 * n..][..64];
    let contents = |h: &[u8]| &object[number(h, 0x18, 8)..][..number(h, 0x20, 8)];
    let names = contents(header(names));
    let found = (0..count).map(header).find(|h| names[number(h, 0, 4)..].starts_with(format!("{name}\0").as_bytes()));
    contents(found.expect("the section is there"))
}

/// The names in an object.
fn names(object: &[u8]) -> impl Iterator<Item = &str> {
    section(object, ".strtab").split(|&byte| byte == 0).filter_map(|name| std::str::from_utf8(name).ok())
}

/// The return address, then what callers find unchanged.
const KEPT: [Register; 7] = [X86_64::RA, X86_64::RBP, X86_64::RBX, X86_64::R12, X86_64::R13, X86_64::R14, X86_64::R15];
/// The registers of `KEPT` but for the first in the context of a signal; then all, by DWARF's numbers.
const IN_CONTEXT: [libc::c_int; 17] = [
    libc::REG_RAX,
    libc::REG_RDX,
    libc::REG_RCX,
    libc::REG_RBX,
    libc::REG_RSI,
    libc::REG_RDI,
    libc::REG_RBP,
    libc::REG_RSP,
    libc::REG_R8,
    libc::REG_R9,
    libc::REG_R10,
    libc::REG_R11,
    libc::REG_R12,
    libc::REG_R13,
    libc::REG_R14,
    libc::REG_R15,
    libc::REG_RIP,
];

/// Registers by DWARF's numbers; the last is the program counter.
type Registers = [usize; 17];

const RSP: usize = 7;
const PC: usize = 16;

#[derive(Copy, Clone, Debug)]
enum Rule {
    Same,
    At(isize),
    In(usize),
    Undefined,
}

/// What GDB asks for by name where a frame's caller is on another stack.
const STACK_CHANGES: &str = "__morestack";

/// A row of the frame descriptions.
#[derive(Clone, Debug)]
struct Row {
    pcs: Range<usize>,
    cfa: (usize, isize),
    rules: [Rule; KEPT.len()],
}

/// All rows, by address.
fn rows(object: &[u8]) -> Vec<Row> {
    let mut section = EhFrame::new(section(object, ".eh_frame"), LittleEndian);
    section.set_address_size(8);
    let bases = BaseAddresses::default().set_eh_frame(0);
    let mut entries = section.entries(&bases);
    let mut context = UnwindContext::new();
    let mut rows = Vec::new();
    while let Some(entry) = entries.next().expect("an entry") {
        let CieOrFde::Fde(partial) = entry else { continue };
        let fde = partial.parse(|section, bases, at| section.cie_from_offset(bases, at)).expect("a description");
        let mut table = fde.rows(&section, &bases, &mut context).expect("rows");
        while let Some(row) = table.next_row().expect("a row") {
            let CfaRule::RegisterAndOffset { register, offset } = *row.cfa() else { panic!("{row:?}") };
            let rule = |wanted| match row.register(wanted) {
                None | Some(RegisterRule::SameValue) => Rule::Same,
                Some(RegisterRule::Offset(at)) => Rule::At(at as isize),
                Some(RegisterRule::Register(other)) => Rule::In(other.0.into()),
                Some(RegisterRule::Undefined) => Rule::Undefined,
                other => panic!("{other:?}"),
            };
            rows.push(Row {
                pcs: row.start_address() as usize..row.end_address() as usize,
                cfa: (register.0.into(), offset as isize),
                rules: KEPT.map(rule),
            });
        }
    }
    rows
}

/// What a caller finds when its callee returns.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
struct Call {
    kept: [usize; KEPT.len()],
    /// Whether the host made it.
    by_host: bool,
}

const MAX_CALLS: usize = 64;

/// What the handler needs and finds out. It allocates nothing.
struct Witness {
    rows: Vec<Row>,
    code: Vec<Range<usize>>,
    /// Code that may call the host, for it is named as what changes stacks.
    changes: Vec<Range<usize>>,
    /// Calls of the host.
    to_host: usize,
    armed: bool,
    calls: [Call; MAX_CALLS],
    depth: usize,
    last: Registers,
    /// Steps in code, walks of those, frames that were walked, steps where walks end by intent, the most calls in a walk.
    steps: usize,
    walks: usize,
    frames: usize,
    ends: usize,
    deepest: usize,
    failure: Option<(Registers, usize, &'static str)>,
}

struct Shared(UnsafeCell<Option<Witness>>);

// SAFETY: used by one thread, and by its signal handler, which comes where the thread is not inside an access.
unsafe impl Sync for Shared {}

static WITNESS: Shared = Shared(UnsafeCell::new(None));

fn word(address: usize) -> usize {
    // SAFETY: an address on a stack of this thread's, as the caller has found out.
    unsafe { std::ptr::with_exposed_provenance::<usize>(address).read_unaligned() }
}

fn byte(address: usize) -> u8 {
    // SAFETY: an address in code.
    unsafe { std::ptr::with_exposed_provenance::<u8>(address).read() }
}

impl Witness {
    fn in_code(&self, pc: usize) -> bool {
        self.code.iter().any(|range| range.contains(&pc))
    }

    fn push(&mut self, return_address: usize, registers: &Registers, by_host: bool) {
        let mut kept = KEPT.map(|register| registers[register.0 as usize]);
        kept[0] = return_address;
        if self.depth < MAX_CALLS {
            self.calls[self.depth] = Call { kept, by_host };
            self.depth += 1;
        }
    }

    /// Keeps account: what the instruction before this one did.
    fn account(&mut self, now: &Registers) {
        let (pc, last) = (self.last[PC], self.last);
        match (self.in_code(pc), self.in_code(now[PC])) {
            (false, true) => {
                // The host returns to code, or calls it.
                if self.depth > 0 && self.calls[self.depth - 1].kept[0] == now[PC] {
                    self.depth -= 1;
                } else {
                    self.push(word(now[RSP]), now, true);
                }
            }
            (true, _) if now[RSP] == last[RSP] - 8 && (pc + 2..=pc + 8).contains(&word(now[RSP])) => {
                self.push(word(now[RSP]), &last, false);
                if !self.in_code(now[PC]) {
                    self.to_host += 1;
                    if !self.changes.iter().any(|range| range.contains(&pc)) {
                        self.failure = Some((last, 0, "a change of stacks that debuggers take for damage"));
                    }
                }
            }
            (true, _) if matches!(byte(pc), 0xc2 | 0xc3) => self.depth -= 1,
            _ => {}
        }
    }

    fn row(&self, pc: usize) -> Option<&Row> {
        let n = self.rows.partition_point(|row| row.pcs.start <= pc).checked_sub(1)?;
        self.rows.get(n).filter(|row| row.pcs.contains(&pc))
    }

    /// The caller's registers.
    fn unwind(&self, registers: &Registers, innermost: bool) -> Option<Registers> {
        // A call that does not return may be the last instruction.
        let row = self.row(registers[PC] - usize::from(!innermost))?;
        let cfa = registers[row.cfa.0].wrapping_add_signed(row.cfa.1);
        let mut callers = *registers;
        for (register, rule) in KEPT.into_iter().zip(&row.rules) {
            callers[register.0 as usize] = match *rule {
                Rule::Same => registers[register.0 as usize],
                Rule::At(at) => word(cfa.wrapping_add_signed(at)),
                Rule::In(other) => registers[other],
                Rule::Undefined => return None,
            };
        }
        callers[RSP] = cfa;
        Some(callers)
    }

    fn ends(&self, pc: usize) -> bool {
        self.row(pc).is_some_and(|row| matches!(row.rules[0], Rule::Undefined))
    }

    /// Walks from here, to where the host called.
    fn walk(&mut self, now: &Registers) {
        let mut registers = *now;
        for (n, call) in self.calls[..self.depth].iter().rev().enumerate() {
            let Some(callers) = self.unwind(&registers, n == 0) else {
                self.failure = Some((*now, n, "no way to walk on"));
                return;
            };
            if KEPT.map(|register| callers[register.0 as usize]) != call.kept {
                self.failure = Some((*now, n, "another caller"));
                return;
            }
            registers = callers;
            self.frames += 1;
            self.deepest = self.deepest.max(n + 1);
            if call.by_host {
                break;
            }
        }
        self.walks += 1;
    }

    fn step(&mut self, now: &Registers) {
        self.account(now);
        if self.in_code(now[PC]) {
            self.steps += 1;
            if self.ends(now[PC]) {
                self.ends += 1;
            } else {
                if self.ends(self.last[PC]) {
                    // An exception has gone to its handler: frames between are gone.
                    let callers = self.unwind(now, true);
                    while self.depth > 1 && callers.is_none_or(|c| self.calls[self.depth - 1].kept[0] != c[PC]) {
                        self.depth -= 1;
                    }
                }
                self.walk(now);
            }
        }
        self.last = *now;
    }
}

extern "C" fn on_step(_: libc::c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel gives a handler with SA_SIGINFO its context; the witness is used by this thread
    // alone, not inside an access.
    let (context, witness) = unsafe { (&mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs, &mut *WITNESS.0.get()) };
    let now: Registers = IN_CONTEXT.map(|register| context[register as usize] as usize);
    let goes_on = witness.as_mut().is_some_and(|witness| {
        if witness.armed {
            witness.step(&now);
        }
        witness.armed && witness.failure.is_none()
    });
    let flags = &mut context[libc::REG_EFL as usize];
    *flags = if goes_on { *flags | TRAP_FLAG } else { *flags & !TRAP_FLAG };
}

/// The program of `every_pc`, whose host function calls it again, and with a large frame.
fn at_every_instruction(style: Style) {
    let engine = Engine::new(&config(style).debugger(true)).unwrap();
    let mut store = Store::new(&engine, ()).unwrap();
    let mut linker = Linker::new(&engine);
    linker.func_wrap("", "arm", || {}).unwrap();
    linker
        .func_wrap("", "host", |mut caller: Caller<'_, ()>, a: i32, b: f64| -> i64 {
            if let Some(Extern::Func(again)) = caller.get_export("end") {
                again.typed::<i32, i32>(&caller).unwrap().call(&mut caller, 1).unwrap();
            }
            i64::from(a) + b as i64
        })
        .unwrap();
    let program = PROGRAM.replace("(func $end_tail (type $t)", "(func $end_tail (export \"end\") (type $t)");
    // One function's frame has so many pages that their probes are a loop.
    let (loads, folds) =
        ((0..3000).map(|n| format!("(i64.load offset={n} (i32.const 0))")).collect::<String>(), "i64.xor ".repeat(2999));
    let large =
        format!("(func $double (type $t) (if (i32.eqz (local.get 0)) (then {loads} {folds} (local.set 0 (i32.wrap_i64))))");
    let program = program.replace("(func $double (type $t)", &large);
    let module = Module::new(&engine, program.as_bytes()).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
    // Now all code and all trampolines are there.
    let expected = run.call(&mut store, 2).unwrap();
    let mut rows: Vec<Row> = objects().into_iter().flat_map(rows).collect();
    rows.sort_by_key(|row| row.pcs.start);
    let changes = objects().into_iter().filter(|object| names(object).any(|name| name == STACK_CHANGES));
    let changes = changes.flat_map(self::rows).map(|row| row.pcs).collect();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let code = maps.lines().filter_map(code_mapping).collect();
    let calls = [Call { kept: [0; KEPT.len()], by_host: false }; MAX_CALLS];
    let handler: Handler = on_step;
    install(handler);
    let witness = Witness {
        rows,
        code,
        changes,
        to_host: 0,
        armed: true,
        calls,
        depth: 0,
        last: [0; 17],
        steps: 0,
        walks: 0,
        frames: 0,
        ends: 0,
        deepest: 0,
        failure: None,
    };
    // SAFETY: no handler has come yet, and none comes while it is replaced; the handler is installed.
    unsafe {
        *WITNESS.0.get() = Some(witness);
        libc::raise(libc::SIGTRAP);
    }
    let result = run.call(&mut store, 2);
    // SAFETY: the handler comes after each instruction, and finds the flag lowered after the one that lowers it.
    let witness = unsafe {
        if let Some(witness) = &mut *WITNESS.0.get() {
            (&raw mut witness.armed).write_volatile(false);
        }
        (*WITNESS.0.get()).as_ref().unwrap()
    };
    if let Some((registers, n, why)) = &witness.failure {
        let row = witness.row(registers[PC]);
        panic!(
            "{why} at {:#x} ({:#x?} behind the row's start), frame {n}: {row:x?}\n{:x?}",
            registers[PC],
            row.map(|r| registers[PC] - r.pcs.start),
            &witness.calls[..witness.depth]
        );
    }
    assert_eq!(result.unwrap(), expected);
    let Witness { depth, steps, walks, frames, ends, deepest, to_host, .. } = *witness;
    println!("{steps} steps, {walks} walks of {frames} frames, {ends} where they end");
    assert_eq!((depth, walks + ends), (0, steps));
    assert!(steps > 300 && frames > 2 * walks && deepest >= 4, "{steps} steps, {frames} frames, at most {deepest}");
    // The host function, and a builtin.
    assert!(to_host >= 2, "{to_host}");
    // The way of an exception to its handler, and no more.
    assert!((1..20).contains(&ends), "{ends}");
}

#[test]
fn debuggers_walk_frames_at_every_instruction() {
    let outputs = in_children("unwind::debuggers_walk_frames_at_every_instruction", STYLES, at_every_instruction);
    assert!(outputs.len() == STYLES.len() || outputs.is_empty());
    for (style, output) in outputs {
        println!("{style:?}: {}", String::from_utf8_lossy(&output.stdout));
        assert_success(&output);
    }
}
