//! `credence man`: the manual pages, made of the same definition as the help.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use credence::failure::{Failure, FailureKind};

use super::CommandLine;

/// The name of the section of commands, as manuals have it.
const MANUAL: &str = "User Commands";
/// How the paragraph of the exit codes begins, in what helps show at their ends.
const EXIT_CODES: &str = "Exit codes";

/// The arguments of `credence man`.
#[derive(Args)]
pub struct ManArguments {
    /// The folder for the pages, which is made when it does not exist; without it, the page of `credence` goes to standard output, and is
    /// read by `credence man | man -l -`
    #[arg(value_name = "DIRECTORY", value_hint = clap::ValueHint::DirPath)]
    directory: Option<PathBuf>,
}

/// Prints the page, or writes all.
pub fn run(arguments: &ManArguments) -> Result<(), Failure> {
    let mut root = CommandLine::command().disable_help_subcommand(true);
    root.build();
    match &arguments.directory {
        None => {
            let page = page(&root, None).map_err(|_never| unwritten())?;
            super::print(&String::from_utf8_lossy(&page))
        }
        Some(directory) => {
            fs::create_dir_all(directory)
                .map_err(|error| Failure::file(directory, "made", &error))?;
            write_all(&root, None, directory)
        }
    }
}

/// Writes the page of a command, and those of its subcommands.
fn write_all(command: &Command, parent: Option<&str>, directory: &Path) -> Result<(), Failure> {
    let path = directory.join(format!("{}.1", name(command)));
    let page = page(command, parent).map_err(|_never| unwritten())?;
    fs::write(&path, page).map_err(|error| Failure::file(&path, "written", &error))?;
    command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
        .try_for_each(|below| write_all(below, Some(name(command)), directory))
}

/// What a page is called: `credence-keys-rotate`.
fn name(command: &Command) -> &str {
    command
        .get_display_name()
        .unwrap_or_else(|| command.get_name())
}

fn page(command: &Command, parent: Option<&str>) -> io::Result<Vec<u8>> {
    let man = Man::new(command.clone());
    // The library leaves out a date that is empty, and what follows would stand in its place. A page has none: it is that of a version.
    let title = name(command).to_uppercase();
    let version = env!("CARGO_PKG_VERSION");
    let mut page = format!(".TH {title} 1 \"\" \"Credence {version}\" \"{MANUAL}\"\n").into_bytes();
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let mut rest = Roff::new();
    let after = command
        .get_after_long_help()
        .or_else(|| command.get_after_help());
    notes(
        &mut rest,
        &after.map(ToString::to_string).unwrap_or_default(),
    );
    see_also(&mut rest, command, parent);
    rest.to_writer(&mut page)?;
    // An empty line in the source of a page is for those who read it, and not an empty line between two breaks.
    let page = String::from_utf8_lossy(&page).replace(".br\n\n.br\n", ".sp\n");
    Ok(page.into_bytes())
}

/// What the help shows at its end: paragraphs, and lines that are shown as they are, since they begin with a space.
fn notes(page: &mut Roff, text: &str) {
    let (codes, notes): (Vec<&str>, Vec<&str>) = text
        .split("\n\n")
        .filter(|paragraph| !paragraph.trim().is_empty())
        .partition(|paragraph| paragraph.starts_with(EXIT_CODES));
    for (title, paragraphs) in [("NOTES", notes), ("EXIT STATUS", codes)] {
        if !paragraphs.is_empty() {
            page.control("SH", [title]);
        }
        for (place, paragraph) in paragraphs.into_iter().enumerate() {
            if place > 0 {
                page.control("PP", []);
            }
            if paragraph.starts_with(' ') {
                literal(page, paragraph);
            } else {
                page.text([roman(paragraph)]);
            }
        }
    }
}

fn literal(page: &mut Roff, lines: &str) {
    page.control("RS", ["4"]);
    page.control("nf", []);
    for line in lines.lines() {
        page.text([roman(line.trim())]);
    }
    page.control("fi", []);
    page.control("RE", []);
}

fn see_also(page: &mut Roff, command: &Command, parent: Option<&str>) {
    let below = command
        .get_subcommands()
        .filter(|below| !below.is_hide_set());
    let pages: Vec<&str> = parent.into_iter().chain(below.map(name)).collect();
    if pages.is_empty() {
        return;
    }
    page.control("SH", ["SEE ALSO"]);
    let mut words = Vec::new();
    for (place, name) in pages.into_iter().enumerate() {
        let before = if place > 0 { ", " } else { "" };
        words.extend([roman(before), bold(name), roman("(1)")]);
    }
    page.text(words);
}

/// Writing into memory does not fail.
fn unwritten() -> Failure {
    Failure::new(FailureKind::Software, "the manual page could not be made")
}
