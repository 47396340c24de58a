//! `credence completions`: what makes a shell complete the command.

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use credence::config::ServeSettings;
use credence::failure::Failure;

use super::CommandLine;

/// What the help shows at its end.
pub const EXAMPLES: &str = "\
For all users, as packages do it:

    credence completions bash > /usr/share/bash-completion/completions/credence
    credence completions zsh > /usr/share/zsh/site-functions/_credence
    credence completions fish > /usr/share/fish/vendor_completions.d/credence.fish

For yourself, in bash, until it ends: source <(credence completions bash)";

/// The arguments of `credence completions`.
#[derive(Args)]
pub struct CompletionsArguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints them.
pub fn run(arguments: &CompletionsArguments) -> Result<(), Failure> {
    // Without a command `serve` is meant, whose options are then completed, too.
    let mut definition = ServeSettings::augment_args(CommandLine::command());
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut definition, "credence", &mut script);
    super::print(&String::from_utf8_lossy(&script))
}
