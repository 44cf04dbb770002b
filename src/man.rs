//! `sconce man`: one page that has everything. Subcommands, after each other, are made from their definitions; environment, files
//! and examples are in `man/end.roff`.

use crate::cli::Cli;
use crate::report::{Failure, print};
use clap::{Command, CommandFactory};
use clap_mangen::Man;

/// Prints the page.
///
/// # Errors
/// When standard output cannot be written.
pub fn man() -> Result<(), Failure> {
    print(&page().map_err(|e| Failure::not_run(e.to_string()))?)
}

fn page() -> std::io::Result<String> {
    let mut command = Cli::command();
    command.build();
    let mut page = Vec::new();
    let man = Man::new(command.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    render_subcommands(&command, "sconce", &mut page)?;
    page.extend_from_slice(b".SH \"EXIT STATUS\"\n.nf\n");
    for line in crate::cli::EXIT_STATUS.lines().skip(1) {
        page.extend_from_slice(format!("{line}\n").replace('-', "\\-").as_bytes());
    }
    page.extend_from_slice(b".fi\n");
    page.extend_from_slice(include_bytes!("man/end.roff"));
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// A section for each subcommand, and for each of theirs.
fn render_subcommands(command: &Command, path: &str, page: &mut Vec<u8>) -> std::io::Result<()> {
    for subcommand in command.get_subcommands().filter(|c| c.get_name() != "help") {
        let path = format!("{path} {}", subcommand.get_name());
        page.extend_from_slice(format!(".SH \"{}\"\n", path.to_uppercase()).as_bytes());
        let mut section = Vec::new();
        let man = Man::new(subcommand.clone());
        man.render_synopsis_section(&mut section)?;
        man.render_description_section(&mut section)?;
        man.render_options_section(&mut section)?;
        // Sections of the subcommand's own page are subsections here.
        page.extend_from_slice(String::from_utf8_lossy(&section).replace(".SH ", ".SS ").as_bytes());
        render_subcommands(subcommand, &path, page)?;
    }
    Ok(())
}
