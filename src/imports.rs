//! The message on missing imports: all at once, each with what might help.

use crate::values::nearest;
use sconce_engine::{ExternType, ImportType};
use sconce_environ::shown::{Shown, quoted};
use std::fmt::Write;

/// What could provide imports: what the linker has, and the modules of `--preload`.
#[derive(Debug, Default)]
pub struct Provided {
    /// Module and field name of everything.
    pub names: Vec<(String, String)>,
    /// Names that `--preload` gives.
    pub preloads: Vec<String>,
}

/// Imports that are named; of more, how many.
const MAX_NAMED: usize = 20;

/// The message for a module.
pub fn message(file: &str, missing: &[ImportType], provided: &Provided) -> String {
    let mut text = match missing.len() {
        1 => format!("{file}: an import is missing:"),
        n => format!("{file}: {n} imports are missing:"),
    };
    let mut last: Option<(&str, String)> = None;
    for import in missing.iter().take(MAX_NAMED) {
        let ty = import.ty.to_string();
        let _ = write!(text, "\n  {} {}: {}", quoted(&import.module), quoted(&import.name), Shown::short(&ty));
        let hint = hint(import, provided);
        // What helps for a whole module is said once.
        if last.as_ref().is_none_or(|(module, said)| *module != import.module || *said != hint) {
            let _ = write!(text, "\n    {hint}");
        }
        last = Some((&import.module, hint));
    }
    if missing.len() > MAX_NAMED {
        let _ = write!(text, "\n  and {} more", missing.len() - MAX_NAMED);
    }
    text
}

fn hint(import: &ImportType, provided: &Provided) -> String {
    let ImportType { module, name, .. } = import;
    let fields = |of: &str| -> Vec<&str> { provided.names.iter().filter(|(m, _)| m == of).map(|(_, n)| n.as_str()).collect() };
    let here = fields(module);
    if !here.is_empty() || provided.preloads.contains(module) {
        return match nearest(name, here) {
            Some(name) => format!("did you mean {}?", quoted(name)),
            None if provided.preloads.contains(module) => {
                format!("the module of --preload {} does not export it", Shown::short(module))
            }
            None if matches!(import.ty, ExternType::Func(_)) => "Sconce has no function of this name".to_owned(),
            None => "Sconce has nothing of this name".to_owned(),
        };
    }
    if module.starts_with("wasi:") || module.starts_with("cm32p2") {
        return "this belongs to components; Sconce runs core modules: build for wasm32-wasip1".to_owned();
    }
    if module == "wasi" && name == "thread-spawn" {
        return "only the program itself starts threads, not a module of --preload".to_owned();
    }
    if module == "env" && name == "emscripten_notify_memory_growth" {
        return "Emscripten's notice that memory grew, which needs no answer: --unknown-imports=default provides it".to_owned();
    }
    if module == "wbg"
        || module.starts_with("__wbindgen")
        || module == "go"
        || module == "gojs"
        || name.starts_with("emscripten_")
    {
        return "the module is built for JavaScript: build it for WASI (wasm32-wasip1)".to_owned();
    }
    let modules = provided.names.iter().map(|(m, _)| m.as_str());
    if let Some(module) = nearest(module, modules)
        && fields(module).contains(&name.as_str())
    {
        return format!("did you mean {} {}?", quoted(module), quoted(name));
    }
    let preload = format!("--preload {}=FILE gives it, if FILE exports it", Shown::short(module));
    match import.ty {
        ExternType::Func(_) => format!("{preload}; --unknown-imports=trap runs the program without, until it calls it"),
        ExternType::Table(_) | ExternType::Memory(_) | ExternType::Global(_) | ExternType::Tag(_) => preload,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sconce_engine::FuncType;

    fn import(module: &str, name: &str) -> ImportType {
        let ty = FuncType { params: Box::new([]), results: Box::new([]) };
        ImportType { module: module.into(), name: name.into(), ty: ExternType::Func(ty) }
    }

    #[test]
    fn each_import_has_what_might_help() {
        let pair = |m: &str, n: &str| (m.to_owned(), n.to_owned());
        let provided = Provided {
            names: vec![
                pair("wasi_snapshot_preview1", "fd_write"),
                pair("wasi_snapshot_preview1", "fd_read"),
                pair("lib", "sum"),
            ],
            preloads: vec!["lib".into()],
        };
        let hint = |m: &str, n: &str| hint(&import(m, n), &provided);
        assert_eq!(hint("wasi_snapshot_preview1", "fd_wirte"), "did you mean \"fd_write\"?");
        assert_eq!(hint("wasi_snapshot_preview1", "zzz"), "Sconce has no function of this name");
        assert_eq!(hint("wasi_snapshot_preview_1", "fd_read"), "did you mean \"wasi_snapshot_preview1\" \"fd_read\"?");
        assert_eq!(hint("lib", "xyzzy"), "the module of --preload lib does not export it");
        assert_eq!(
            hint("env", "f"),
            "--preload env=FILE gives it, if FILE exports it; --unknown-imports=trap runs the program without, until it calls it"
        );
        assert!(hint("wasi:cli/run@0.2.0", "run").contains("wasm32-wasip1"));
        assert!(hint("wbg", "x").contains("JavaScript"));
        assert!(hint("env", "emscripten_notify_memory_growth").contains("--unknown-imports=default"));
        assert!(hint("wasi", "thread-spawn").contains("--preload"));
    }

    #[test]
    fn a_hint_for_a_whole_module_is_given_once() {
        let text = message("a.wasm", &[import("env", "f"), import("env", "g")], &Provided::default());
        assert_eq!(
            text,
            "a.wasm: 2 imports are missing:\n  \"env\" \"f\": func () -> ()\n    --preload env=FILE gives it, if FILE exports it; \
             --unknown-imports=trap runs the program without, until it calls it\n  \
             \"env\" \"g\": func () -> ()"
        );
    }

    #[test]
    fn the_message_is_short_however_many_are_missing_and_however_long_their_names_are() {
        let long = "\u{1b}".repeat(100_000);
        let missing: Vec<_> = (0..10_000).map(|n| import(&format!("{long}{n}"), &long)).collect();
        let text = message("a.wasm", &missing, &Provided { names: vec![(long.clone(), long.clone())], preloads: vec![long] });
        assert!(text.len() < 30_000 && text.ends_with("and 9980 more"), "{} bytes: {}", text.len(), &text[text.len() - 100..]);
        assert!(!text.contains('\u{1b}'));
    }
}
