//! WASI's streams, with one addition: what is written reaches the turn's log at once.

use wasmtime::Result;
use wasmtime::component::Resource;
use wasmtime_wasi_io::bindings::wasi::io::streams::{self, HostInputStream, HostOutputStream};
use wasmtime_wasi_io::poll::DynPollable;
use wasmtime_wasi_io::streams::{DynInputStream, DynOutputStream, StreamError, StreamResult};

use crate::state::InstanceState;

type Input = Resource<DynInputStream>;
type Output = Resource<DynOutputStream>;

impl streams::Host for InstanceState {
    fn convert_stream_error(&mut self, error: StreamError) -> Result<streams::StreamError> {
        streams::Host::convert_stream_error(&mut self.wasi.table, error)
    }
}

impl HostOutputStream for InstanceState {
    async fn drop(&mut self, stream: Output) -> Result<()> {
        self.wasi.dropped(&stream);
        HostOutputStream::drop(&mut self.wasi.table, stream).await
    }

    fn check_write(&mut self, stream: Output) -> StreamResult<u64> {
        self.wasi.table.check_write(stream)
    }

    fn write(&mut self, stream: Output, bytes: Vec<u8>) -> StreamResult<()> {
        self.wasi.table.write(stream, bytes)?;
        self.drain_output();
        Ok(())
    }

    fn subscribe(&mut self, stream: Output) -> Result<Resource<DynPollable>> {
        HostOutputStream::subscribe(&mut self.wasi.table, stream)
    }

    async fn blocking_write_and_flush(&mut self, stream: Output, bytes: Vec<u8>) -> StreamResult<()> {
        self.wasi.table.blocking_write_and_flush(stream, bytes).await?;
        self.drain_output();
        Ok(())
    }

    async fn blocking_write_zeroes_and_flush(&mut self, stream: Output, count: u64) -> StreamResult<()> {
        self.wasi.table.blocking_write_zeroes_and_flush(stream, count).await?;
        self.drain_output();
        Ok(())
    }

    fn write_zeroes(&mut self, stream: Output, count: u64) -> StreamResult<()> {
        self.wasi.table.write_zeroes(stream, count)?;
        self.drain_output();
        Ok(())
    }

    fn flush(&mut self, stream: Output) -> StreamResult<()> {
        self.wasi.table.flush(stream)
    }

    async fn blocking_flush(&mut self, stream: Output) -> StreamResult<()> {
        self.wasi.table.blocking_flush(stream).await
    }

    fn splice(&mut self, to: Output, from: Input, count: u64) -> StreamResult<u64> {
        let spliced = self.wasi.table.splice(to, from, count)?;
        self.drain_output();
        Ok(spliced)
    }

    async fn blocking_splice(&mut self, to: Output, from: Input, count: u64) -> StreamResult<u64> {
        let spliced = self.wasi.table.blocking_splice(to, from, count).await?;
        self.drain_output();
        Ok(spliced)
    }
}

impl HostInputStream for InstanceState {
    async fn drop(&mut self, stream: Input) -> Result<()> {
        self.wasi.dropped(&stream);
        HostInputStream::drop(&mut self.wasi.table, stream).await
    }

    fn read(&mut self, stream: Input, count: u64) -> StreamResult<Vec<u8>> {
        self.wasi.table.read(stream, count)
    }

    async fn blocking_read(&mut self, stream: Input, count: u64) -> StreamResult<Vec<u8>> {
        self.wasi.table.blocking_read(stream, count).await
    }

    fn skip(&mut self, stream: Input, count: u64) -> StreamResult<u64> {
        self.wasi.table.skip(stream, count)
    }

    async fn blocking_skip(&mut self, stream: Input, count: u64) -> StreamResult<u64> {
        self.wasi.table.blocking_skip(stream, count).await
    }

    fn subscribe(&mut self, stream: Input) -> Result<Resource<DynPollable>> {
        HostInputStream::subscribe(&mut self.wasi.table, stream)
    }
}
