//! What a program finds around it: its environment, its standard streams, and the way out.

use std::sync::Arc;

use party_core::event::LogLevel;
use wasmtime::component::Resource;
use wasmtime::{Error, Result};
use wasmtime_wasi::p2::bindings::cli::terminal_input::{self, TerminalInput};
use wasmtime_wasi::p2::bindings::cli::terminal_output::{self, TerminalOutput};
use wasmtime_wasi::p2::bindings::cli::{
    environment, exit, stderr, stdin, stdout, terminal_stderr, terminal_stdin, terminal_stdout,
};
use wasmtime_wasi::p2::pipe::ClosedInputStream;
use wasmtime_wasi_io::streams::{DynInputStream, DynOutputStream};

use crate::state::InstanceState;
use crate::traps::GuestFault;
use crate::wasi::output::OutputToLog;

impl environment::Host for InstanceState {
    fn get_environment(&mut self) -> Result<Vec<(String, String)>> {
        let vars = self.vars().into_iter().flatten();
        Ok(vars.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    fn get_arguments(&mut self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn initial_cwd(&mut self) -> Result<Option<String>> {
        Ok(None)
    }
}

impl exit::Host for InstanceState {
    fn exit(&mut self, status: Result<(), ()>) -> Result<()> {
        let code = u8::from(status.is_err());
        Err(Error::new(GuestFault::Exit { code }))
    }

    fn exit_with_code(&mut self, code: u8) -> Result<()> {
        Err(Error::new(GuestFault::Exit { code }))
    }
}

impl stdin::Host for InstanceState {
    fn get_stdin(&mut self) -> Result<Resource<DynInputStream>> {
        let stream: DynInputStream = Box::new(ClosedInputStream);
        Ok(self.wasi.table.push(stream)?)
    }
}

impl stdout::Host for InstanceState {
    fn get_stdout(&mut self) -> Result<Resource<DynOutputStream>> {
        output(self, LogLevel::Info)
    }
}

impl stderr::Host for InstanceState {
    fn get_stderr(&mut self) -> Result<Resource<DynOutputStream>> {
        output(self, LogLevel::Warn)
    }
}

fn output(state: &mut InstanceState, level: LogLevel) -> Result<Resource<DynOutputStream>> {
    let stream: DynOutputStream = Box::new(OutputToLog::new(Arc::clone(&state.wasi.output), level));
    Ok(state.wasi.table.push(stream)?)
}

impl terminal_input::Host for InstanceState {}

impl terminal_input::HostTerminalInput for InstanceState {
    fn drop(&mut self, terminal: Resource<TerminalInput>) -> Result<()> {
        self.wasi.table.delete(terminal)?;
        Ok(())
    }
}

impl terminal_output::Host for InstanceState {}

impl terminal_output::HostTerminalOutput for InstanceState {
    fn drop(&mut self, terminal: Resource<TerminalOutput>) -> Result<()> {
        self.wasi.table.delete(terminal)?;
        Ok(())
    }
}

impl terminal_stdin::Host for InstanceState {
    fn get_terminal_stdin(&mut self) -> Result<Option<Resource<TerminalInput>>> {
        Ok(None)
    }
}

impl terminal_stdout::Host for InstanceState {
    fn get_terminal_stdout(&mut self) -> Result<Option<Resource<TerminalOutput>>> {
        Ok(None)
    }
}

impl terminal_stderr::Host for InstanceState {
    fn get_terminal_stderr(&mut self) -> Result<Option<Resource<TerminalOutput>>> {
        Ok(None)
    }
}
