//! What the process does to itself before it knows anything, so that others on the machine do not learn it. What it was given
//! is remembered: `credence run` hands it on to the command that it becomes.

use rustix::fs::Mode;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit, umask,
};

/// What the process was started with.
pub struct Inherited {
    umask: Mode,
    core_dump: Rlimit,
    descriptors: Rlimit,
}

/// Keeps what the process knows from others on the machine.
pub fn harden() -> Inherited {
    let inherited = Inherited {
        // Whatever is written, nobody else may read it.
        umask: umask(Mode::from_raw_mode(0o077)),
        core_dump: getrlimit(Resource::Core),
        descriptors: getrlimit(Resource::Nofile),
    };
    // No memory is left in a file when the process is brought down, nor read by another one. Where the system has no such
    // settings, the process goes on without. The hard limit stays what it is: the soft one can be raised to it again.
    let none = Rlimit {
        current: Some(0),
        ..inherited.core_dump
    };
    let _limited = setrlimit(Resource::Core, none);
    let _hidden = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    // A connection is a descriptor: as many as the system allows, in place of the few that a shell gives.
    let _raised = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: inherited.descriptors.maximum,
            ..inherited.descriptors
        },
    );
    // What a panic says may hold what it was about: its place is enough.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "a fault of the program");
    }));
    inherited
}

/// Gives up core dumps for good: for a process that stays what it is.
pub fn give_up_core_dumps() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _limited = setrlimit(Resource::Core, none);
}

impl Inherited {
    /// Makes the process what it was when it was started: for the command that it becomes. Whether its memory can be read needs
    /// no restoring, as it is another memory then.
    pub fn restore(self) {
        umask(self.umask);
        let _core_dump = setrlimit(Resource::Core, self.core_dump);
        let _descriptors = setrlimit(Resource::Nofile, self.descriptors);
    }
}
