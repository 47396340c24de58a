//! Closing a connection whose client may still be sending (RFC 9112, section 9.6): the kernel answers what nobody reads by a reset, which
//! can overtake the last answer. So the answer's end is told first, and what comes is read for a while, and thrown away.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::connection::Place;
use super::transport::Transport;

/// How long a client may take to see that it is told no more.
const TIME_LIMIT: Duration = Duration::from_secs(2);
/// How much it may send meanwhile, in bytes.
const SIZE_LIMIT_BYTES: usize = 32 * 1024 * 1024;
/// How much is read at once, in bytes.
const READ_BYTES: usize = 16 * 1024;

/// Closes a connection when its client has closed it, or after a while. It keeps its place until then.
pub fn close(stream: Transport, place: Place) {
    // Without a runtime the process ends.
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(async move {
            let _place = place;
            // The client may break off at any time.
            let _closed = timeout(TIME_LIMIT, discard(stream)).await;
        });
    }
}

async fn discard(mut stream: Transport) -> io::Result<()> {
    poll_fn(|context| Pin::new(&mut stream).poll_shutdown(context)).await?;
    let mut bytes = vec![0; READ_BYTES];
    let mut left = SIZE_LIMIT_BYTES;
    while left > 0 {
        let mut buffer = ReadBuf::new(&mut bytes);
        poll_fn(|context| Pin::new(&mut stream).poll_read(context, &mut buffer)).await?;
        let come = buffer.filled().len();
        if come == 0 {
            break;
        }
        left = left.saturating_sub(come);
    }
    Ok(())
}
