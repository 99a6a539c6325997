//! For tests: `broker-guard ...` is the guard; `hold <data folder> <nats-server>` supervises a server until it is
//! killed, and writes the server's pid on one line when it answers.

use std::ffi::{OsStr, OsString};
use std::io::{Error, Read, Write};
use std::process::ExitCode;

use lienthong_broker::{GuardProgram, ManagedOptions, ManagedServer, Phase, guard_main};

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let error = match args.split_first() {
        Some((mode, rest)) if mode == "broker-guard" => guard_main(rest),
        Some((mode, [data, server])) if mode == "hold" => match hold(data, server) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => error,
        },
        _ => Error::other("usage: broker-guard ... | hold <data folder> <nats-server>"),
    };
    writeln!(std::io::stderr(), "{error}").ok();
    ExitCode::FAILURE
}

fn hold(data: &OsStr, server: &OsStr) -> Result<(), Error> {
    let guard =
        GuardProgram { program: std::env::current_exe()?, first_args: vec!["broker-guard".to_owned()] };
    let options = ManagedOptions {
        data_dir: data.into(),
        binary: server.into(),
        guard,
        max_store_bytes: 1 << 28,
        store_key: None,
    };
    let server = ManagedServer::start(options).map_err(Error::other)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut status = server.watch();
    let running = status.wait_for(|status| matches!(status.phase, Phase::Running { .. }));
    let phase = runtime.block_on(running).map_err(Error::other)?.phase;
    if let Phase::Running { pid } = phase {
        let mut out = std::io::stdout();
        writeln!(out, "{pid}")?;
        out.flush()?;
    }
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
