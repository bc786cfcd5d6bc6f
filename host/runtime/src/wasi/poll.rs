//! Polls that never wait: time stands still inside a turn, so what is not ready now will not be.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use wasmtime::component::Resource;
use wasmtime::{Error, Result};
use wasmtime_wasi_io::bindings::wasi::io::poll;
use wasmtime_wasi_io::poll::DynPollable;

use crate::state::InstanceState;
use crate::traps::GuestFault;

impl poll::Host for InstanceState {
    async fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> Result<Vec<u32>> {
        at_once(poll::Host::poll(&mut self.wasi.table, pollables)).await
    }
}

impl poll::HostPollable for InstanceState {
    async fn block(&mut self, pollable: Resource<DynPollable>) -> Result<()> {
        at_once(poll::HostPollable::block(&mut self.wasi.table, pollable)).await
    }

    async fn ready(&mut self, pollable: Resource<DynPollable>) -> Result<bool> {
        poll::HostPollable::ready(&mut self.wasi.table, pollable).await
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> Result<()> {
        self.wasi.dropped(&pollable);
        poll::HostPollable::drop(&mut self.wasi.table, pollable)
    }
}

/// What a future gives without waiting; a trap if it would wait.
async fn at_once<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let mut future = pin!(future);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(result) => Poll::Ready(result),
        Poll::Pending => Poll::Ready(Err(Error::new(GuestFault::Blocked))),
    })
    .await
}
