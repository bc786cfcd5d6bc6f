//! The threads beside a worker's own, for what is long: reading and writing large checkpoints, compiling, giving much memory
//! back.
//!
//! Each worker has its first one as soon as it starts, and keeps those that it has. So where the system has no thread to
//! give for a while, what is long waits for its turn, and nothing fails for it.

use std::io;
use std::time::Duration;

use party_runtime::engine::prepare_thread;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

/// So many beside each worker, at most: what they do keeps a processor or a disk busy, and more at once do not end sooner.
const THREADS_MAX: usize = 16;

/// How long one that has nothing to do stays.
const STAYS: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

/// The runtime of the worker of this thread, with the first of its other threads. Guests run on both.
pub(crate) fn runtime(name: &str) -> io::Result<LocalRuntime> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .thread_name(format!("{name}-apart"))
        .max_blocking_threads(THREADS_MAX)
        .thread_keep_alive(STAYS)
        .build_local(LocalOptions::default())?;
    // This would panic where there is none to be had, and the host is only about to start.
    let first = crate::panics::caught_in(|| {
        prepare_thread();
        runtime.block_on(runtime.spawn_blocking(prepare_thread))
    });
    first.map_err(io::Error::other)?.map_err(io::Error::other)?;
    Ok(runtime)
}

/// Runs something long on another thread.
pub(crate) async fn run_apart<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(run).await.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(result) => result,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // The worker ends, and with it who waits for this.
        Err(Err(_)) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Result;

    use super::runtime;

    /// One look can miss a thread: a list that is read while threads of other tests end leaves out some that have not.
    const LOOKS: usize = 1_000;

    fn sees_thread_named(name: &str) -> Result<bool> {
        for _ in 0..LOOKS {
            if threads_named(name)? > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn threads_named(name: &str) -> Result<usize> {
        let mut found = 0;
        for task in fs::read_dir("/proc/self/task")? {
            // A thread of another test may have ended meanwhile.
            let told = fs::read_to_string(task?.path().join("comm")).unwrap_or_default();
            found += usize::from(told.trim() == name);
        }
        Ok(found)
    }

    #[test]
    fn the_first_thread_is_there_before_anything_needs_it() -> Result<()> {
        let runtime = runtime("early")?;
        assert!(sees_thread_named("early-apart")?);
        drop(runtime);
        assert_eq!(threads_named("early-apart")?, 0);
        Ok(())
    }
}
