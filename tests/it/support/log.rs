//! What is logged on the thread of a test, with the server that it runs.

use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, Once};

use tracing::subscriber::set_global_default;

/// The log of this thread, until it is dropped.
pub struct Log {
    text: Text,
}

#[derive(Clone, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

thread_local! {
    static OF_THIS_THREAD: RefCell<Option<Text>> = const { RefCell::new(None) };
}

impl Log {
    /// Begins the log of this thread. What is logged goes through one subscriber for all tests: whether a place logs is asked once, and with
    /// subscriber after subscriber the answer could be that of a test which has none.
    pub fn begin() -> Self {
        static SUBSCRIBED: Once = Once::new();
        SUBSCRIBED.call_once(|| {
            let subscriber = tracing_subscriber::fmt()
                .with_ansi(false)
                .with_writer(|| OF_THIS_THREAD.with_borrow(Clone::clone).unwrap_or_default());
            set_global_default(subscriber.finish()).unwrap();
        });
        let text = Text::default();
        OF_THIS_THREAD.set(Some(text.clone()));
        Self { text }
    }

    /// What was logged since it was asked for last.
    pub fn take(&self) -> String {
        let taken = std::mem::take(&mut *self.text.0.lock().unwrap());
        String::from_utf8(taken).unwrap()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        OF_THIS_THREAD.set(None);
    }
}

impl Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
