//! Alias regions and memory flags: what Cranelift may assume about each load and store.
//!
//! Two accesses in different regions never touch the same byte. Imports may be the same item under two names, so all
//! imported memories share a region, and all imported globals do; a defined item has no second name in its instance's
//! code. Calls and builtins are fences for every region, so that whatever only the runtime writes (lengths, tables of
//! functions) needs no more than a region of its own.

use cranelift_codegen::ir::{
    AliasRegion, AliasRegionData, AliasRegionSet, Endianness, Function, MemFlags, MemFlagsData, TrapCode,
};
use sconce_environ::trap;

/// Regions, numbered for [`AliasRegionData::user_id`].
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(crate) enum Region {
    /// Lengths of memories and tables, bases of tables that can grow.
    Runtime,
    /// Table elements.
    Tables,
    /// Result buffers.
    Results,
    /// Spilled handles.
    StackMaps,
    /// Heads of objects in the reference heap.
    Objects,
    /// Where the activations table ends.
    Activations,
    /// Its entries.
    ActivationEntries,
    /// Data segments, which nobody writes.
    Data,
    ImportedMemories,
    ImportedGlobals,
    /// By number among the defined ones.
    Memory(u32),
    /// By number among the defined ones.
    Global(u32),
}

/// Defined memories, and defined globals, beyond this number share the last region: state is kept for each region and block.
const OWN_REGIONS: u32 = 32;

impl Region {
    fn data(self) -> AliasRegionData {
        let (user_id, description) = match self {
            Region::Runtime => (0, "runtime"),
            Region::Tables => (1, "tables"),
            Region::Results => (2, "results"),
            Region::StackMaps => (3, "stack maps"),
            Region::ImportedMemories => (4, "imported memories"),
            Region::ImportedGlobals => (5, "imported globals"),
            Region::Objects => (6, "objects"),
            Region::Activations => (7, "activations"),
            Region::ActivationEntries => (8, "activation entries"),
            Region::Data => (9, "data segments"),
            Region::Memory(n) => (0x100 + n.min(OWN_REGIONS), "memory"),
            Region::Global(n) => (0x200 + n.min(OWN_REGIONS), "global"),
        };
        AliasRegionData { user_id, description: description.into() }
    }

    pub(crate) fn intern(self, regions: &mut AliasRegionSet) -> AliasRegion {
        regions.insert(self.data())
    }
}

/// The trap code under which Cranelift carries one of ours.
pub(crate) fn trap_code(code: trap::TrapCode) -> TrapCode {
    TrapCode::unwrap_user(code as u8)
}

/// Flags of a load that gives the same value whenever the function runs: it may move anywhere.
pub(crate) fn constant(func: &mut Function) -> MemFlags {
    intern(func, MemFlagsData::trusted().with_readonly().with_can_move())
}

/// Flags of an aligned access that cannot fault.
pub(crate) fn trusted(func: &mut Function, region: Region) -> MemFlags {
    let region = region.intern(&mut func.dfg.alias_regions);
    intern(func, MemFlagsData::trusted().with_alias_region(Some(region)))
}

/// Flags of an access to a linear memory: little-endian, aligned or not, and a trap where it faults.
pub(crate) fn memory(func: &mut Function, region: Region) -> MemFlags {
    let region = region.intern(&mut func.dfg.alias_regions);
    let flags = MemFlagsData::new()
        .with_endianness(Endianness::Little)
        .with_trap_code(Some(trap_code(trap::TrapCode::MemoryOutOfBounds)))
        .with_alias_region(Some(region));
    intern(func, flags)
}

/// Flags of a load from a data segment, which was checked: little-endian, aligned or not. It stays behind its check.
pub(crate) fn data(func: &mut Function) -> MemFlags {
    let region = Region::Data.intern(&mut func.dfg.alias_regions);
    intern(func, MemFlagsData::new().with_endianness(Endianness::Little).with_notrap().with_alias_region(Some(region)))
}

/// Flags of the first load from a table's element, whose address is null if there is none: page 0 is never mapped.
pub(crate) fn table_element(func: &mut Function, trap: trap::TrapCode) -> MemFlags {
    let region = Region::Tables.intern(&mut func.dfg.alias_regions);
    let flags = MemFlagsData::new().with_aligned().with_trap_code(Some(trap_code(trap))).with_alias_region(Some(region));
    intern(func, flags)
}

/// Flags of a load through a function reference that may be null, which is a trap: page 0 is never mapped.
pub(crate) fn through_reference(func: &mut Function) -> MemFlags {
    let flags =
        MemFlagsData::new().with_aligned().with_readonly().with_trap_code(Some(trap_code(trap::TrapCode::NullFunctionReference)));
    intern(func, flags)
}

fn intern(func: &mut Function, flags: MemFlagsData) -> MemFlags {
    func.dfg.mem_flags.insert(flags).expect("a few regions times a few kinds of access")
}
