//! The command line. Each command is a file; data goes to stdout, everything else to stderr.
//! Exit codes everywhere: 3 = usage or I/O. `verify` uses those of design.md B4.

mod acts;
mod agencies;
mod axis;
mod axis_double;
mod config_check;
mod dead_letters;
mod deliveries;
mod documents;
mod health;
mod inspect;
mod keygen;
mod mailboxes;
mod new;
mod nodes;
mod outbox;
mod quarantine;
mod reach;
mod secret;
mod send;
mod sign;
mod status;
mod tables;
mod text;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use lienthong_schemas::safe_text::SafeText;

pub use keygen::{TRIAL_MARK, TrialIdentity, trial_pki};
pub(crate) use secret::make_nkey;
pub use sign::sign_file;

/// Exit code for usage, I/O and bad key files.
pub const EXIT_USAGE: u8 = 3;

/// A command that could not do its work: said on stderr, exit code 3.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CommandFault(pub String);

impl CommandFault {
    /// A fault while doing something with a file or address.
    pub fn at(place: impl std::fmt::Display, cause: impl std::fmt::Display) -> Self {
        Self(format!("{place}: {cause}"))
    }
}

#[derive(Parser)]
#[command(
    name = "lienthong",
    version,
    about = "Trục liên thông văn bản điện tử / Document interconnection gateway"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Chạy trục / Run the gateway
    Serve {
        /// Tệp cấu hình TOML / Settings file
        #[arg(short, long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Cấu hình / Settings
    Config {
        #[command(subcommand)]
        command: config_check::ConfigCommand,
    },
    /// Đọc gói tin edXML / Show what a packet says
    Inspect(inspect::Inspect),
    /// Tạo gói tin / Make a packet
    New(Box<new::New>),
    /// Ký gói tin / Sign a packet
    Sign(sign::Sign),
    /// Kiểm tra chữ ký / Verify a packet's signature
    Verify(verify::Verify),
    /// Tạo khóa thử nghiệm / Make a trial PKI
    Keygen(keygen::Keygen),
    /// Niêm phong khóa bí mật cho tệp cấu hình / Seal secrets for the settings
    Secret {
        #[command(subcommand)]
        command: secret::SecretCommand,
    },
    /// Chữ tiếng Việt / Vietnamese text
    Text {
        #[command(subcommand)]
        command: text::TextCommand,
    },
    /// Gửi gói tin đến trục / Send a packet to a gateway
    Send(send::Send),
    /// Hỏi trục có nhận văn bản được không / Whether the running gateway can accept documents
    Health(health::Health),
    /// Tra cứu văn bản / Look up documents
    Documents {
        #[command(subcommand)]
        command: documents::DocumentsCommand,
    },
    /// Bản chuyển đang đi / Deliveries under way
    Deliveries {
        #[command(subcommand)]
        command: deliveries::DeliveriesCommand,
    },
    /// Bản chuyển cần người xử lý / Deliveries that somebody has to look at
    DeadLetters {
        #[command(subcommand)]
        command: dead_letters::DeadLettersCommand,
    },
    /// Kho và sổ theo dõi / Store and spool
    Outbox {
        #[command(subcommand)]
        command: outbox::OutboxCommand,
    },
    /// Đơn vị mà hệ thống xin đăng ký / Organisations that systems ask to be registered
    Agencies {
        #[command(subcommand)]
        command: agencies::AgenciesCommand,
    },
    /// Hỏi một trục khác / Ask another axis
    Axis {
        #[command(subcommand)]
        command: axis::AxisCommand,
    },
    /// Chạy một trục thử nghiệm / Run an axis to try with
    AxisDouble(axis_double::AxisDouble),
    /// Gói tin ở trục khác mà trục này không nhận / Packets of other axes that were not taken
    Quarantine {
        #[command(subcommand)]
        command: quarantine::QuarantineCommand,
    },
    /// Hộp thư của các hệ thống tự lấy gói tin / What waits for systems that fetch
    Mailboxes(mailboxes::ShowMailboxes),
    /// Các trục chung một cụm / The gateways that share one broker
    Nodes(nodes::ShowNodes),
    /// Tiếp quản văn bản của một trục đã mất hẳn / Take on what a lost gateway had accepted
    Adopt(nodes::AdoptNode),
    /// Tình trạng của trục / How the gateway is
    Status(status::ShowStatus),
    /// Chạy thử toàn bộ / Run the whole job once, on real input
    Demo(crate::demo::Demo),
    /// The supervised broker's guard; started by `serve` only.
    #[command(hide = true)]
    BrokerGuard {
        /// Expected parent, program and its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<std::ffi::OsString>,
    },
}

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { EXIT_USAGE } else { 0 };
            return match error.print() {
                Ok(()) => ExitCode::from(code),
                Err(_) => ExitCode::from(EXIT_USAGE),
            };
        }
    };
    let outcome = match cli.command {
        Command::Serve { config } => crate::serve::run(&config),
        Command::Config { command } => config_check::run(&command),
        Command::Inspect(command) => command.run(),
        Command::New(command) => command.run(),
        Command::Sign(command) => command.run(),
        Command::Verify(command) => command.run(),
        Command::Keygen(command) => command.run(),
        Command::Secret { command } => secret::run(&command),
        Command::Text { command } => text::run(command),
        Command::Send(command) => command.run(),
        Command::Health(command) => command.run(),
        Command::Documents { command } => documents::run(&command),
        Command::Deliveries { command } => deliveries::run(command),
        Command::DeadLetters { command } => dead_letters::run(command),
        Command::Outbox { command } => outbox::run(&command),
        Command::Agencies { command } => agencies::run(&command),
        Command::Axis { command } => axis::run(&command),
        Command::AxisDouble(command) => command.run(),
        Command::Quarantine { command } => quarantine::run(&command),
        Command::Mailboxes(command) => command.run(),
        Command::Nodes(command) => command.run(),
        Command::Adopt(command) => command.run(),
        Command::Status(command) => command.run(),
        Command::Demo(command) => command.run(),
        Command::BrokerGuard { args } => {
            // On success it has become another program and does not come back.
            Err(CommandFault::at("broker guard", lienthong_broker::guard_main(&args)))
        }
    };
    outcome.unwrap_or_else(|fault| {
        complain(&fault.0);
        ExitCode::from(EXIT_USAGE)
    })
}

/// Says something on stderr, in as many lines as it has. Names of files and words from packets move no cursor.
#[expect(clippy::print_stderr, reason = "the command line's own voice")]
pub fn complain(text: &str) {
    let lines: Vec<_> = text.lines().map(|line| SafeText::new(line).into_string()).collect();
    eprintln!("lienthong: {}", lines.join("\n"));
}

/// Prints a line of data. A reader that went away (`| head`) is no fault.
pub fn print(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n"));
    drop(written);
}

/// A runtime for commands that talk to a gateway.
pub fn block_on<T>(work: impl Future<Output = Result<T, CommandFault>>) -> Result<T, CommandFault> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|cause| CommandFault::at("runtime", cause))?.block_on(work)
}

/// Largest file that [`read_small`] reads.
const SMALL_BYTES_MAX: u64 = 1 << 20;

/// Reads a small file (keys, lists, tokens), whole or not at all: half a file of certificates would say something else.
pub fn read_small(path: &std::path::Path) -> Result<Vec<u8>, CommandFault> {
    use std::io::Read;
    let fault = |cause: std::io::Error| CommandFault::at(path.display(), cause);
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .map_err(fault)?
        .take(SMALL_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(fault)?;
    if bytes.len() as u64 > SMALL_BYTES_MAX {
        return Err(CommandFault::at(path.display(), "lớn hơn 1 MiB (larger than 1 MiB)"));
    }
    Ok(bytes)
}
