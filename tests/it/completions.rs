//! What shells complete.

use std::process::Command;

use crate::support::process::{run, stdout};

/// What bash offers for the last of these words, with the function that the script gave to the command.
fn offered(words: &[&str]) -> Vec<String> {
    let script = r#"
        source /dev/stdin <<<"$SCRIPT"
        function=$(complete -p credence | sed 's/.*-F \([^ ]*\) .*/\1/')
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
        "$function" "$1" "${@: -1}" "${@: -2:1}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let bash = Command::new("bash")
        .env("SCRIPT", stdout(&run(&["completions", "bash"])))
        .args(["-euc", script, "bash"])
        .args(words)
        .output()
        .unwrap();
    assert!(
        bash.status.success(),
        "{}",
        String::from_utf8_lossy(&bash.stderr)
    );
    stdout(&bash).lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_their_values() {
    for (words, wanted) in [
        (&["credence", "serve", "--lis"][..], &["--listen"][..]),
        (
            &["credence", "serve", "--jwt-rsa-algorithm", ""],
            &["RS256", "PS256"],
        ),
        (&["credence", "keys", "ro"], &["rotate"]),
        (&["credence", "heal"], &["health"]),
        (
            &["credence", "completions", ""],
            &["bash", "elvish", "fish", "powershell", "zsh"],
        ),
    ] {
        let mut offered = offered(words);
        // What every command has stands beside what was asked for.
        offered.retain(|word| !word.starts_with('-') || wanted.contains(&word.as_str()));
        assert_eq!(offered, wanted, "{words:?}");
    }
}

/// `credence --listen …` is `credence serve --listen …`.
#[test]
fn without_a_command_the_options_of_serve_are_completed() {
    assert_eq!(
        offered(&["credence", "--jwks"]),
        ["--jwks-file", "--jwks-url"]
    );
    assert_eq!(offered(&["credence", "--log-f"]), ["--log-format"]);
}

#[test]
fn a_shell_that_is_not_known_is_refused_with_those_that_are() {
    let output = run(&["completions", "tcsh"]);
    assert_eq!(output.status.code(), Some(64));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("bash") && told.contains("zsh"), "{told}");
}
