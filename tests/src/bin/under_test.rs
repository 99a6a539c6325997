//! The gateway with crash points, for the acceptance tests.

fn main() -> std::process::ExitCode {
    lienthong::cli::main()
}
