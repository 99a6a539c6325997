//! `lienthong new`: makes a document or a status packet, read by our own reader before it is put in its place.
//! Exit codes: 1 = a rule refuses the packet, 3 = usage or I/O.

mod attached;
mod document;
mod place;
mod status;
mod template;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{CommandFault, complain};

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct New {
    #[command(subcommand)]
    kind: Option<Kind>,
    #[command(flatten)]
    document: document::NewDocument,
}

#[derive(Subcommand)]
enum Kind {
    /// Gói tin văn bản / A document packet
    Document(Box<document::NewDocument>),
    /// Gói tin trạng thái / A status packet
    Status(Box<status::NewStatus>),
}

/// Where the packet goes.
#[derive(Args)]
struct Out {
    /// Nơi ghi, mặc định là đầu ra chuẩn / Where the packet goes, standard output if not given
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
    /// Ghi đè tệp đã có / Replace a file that is there
    #[arg(long)]
    force: bool,
}

/// Why no packet was made.
enum NewFault {
    /// A rule refuses it: exit code 1. Each line is one field and its rule.
    Refused(Vec<String>),
    Command(CommandFault),
}

impl From<CommandFault> for NewFault {
    fn from(fault: CommandFault) -> Self {
        Self::Command(fault)
    }
}

impl New {
    pub(super) fn run(self) -> Result<ExitCode, CommandFault> {
        let made = match self.kind {
            None => self.document.run(),
            Some(Kind::Document(document)) => document.run(),
            Some(Kind::Status(status)) => status.run(),
        };
        match made {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(NewFault::Command(fault)) => Err(fault),
            Err(NewFault::Refused(lines)) => {
                complain("gói tin không hợp lệ, không ghi gì (the packet breaks rules; nothing was written)");
                lines.iter().for_each(|line| complain(line));
                Ok(ExitCode::from(1))
            }
        }
    }
}

fn usage(words: impl Into<String>) -> NewFault {
    NewFault::Command(CommandFault(words.into()))
}
