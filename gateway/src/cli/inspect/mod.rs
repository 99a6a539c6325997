//! `lienthong inspect`: what a packet says, as a page for a clerk or as JSON, and its attachments as files. Nothing of it is
//! vouched for, and every word from the packet is printed escaped.

mod extract;
mod json;
mod layout;
mod page;
mod signature;
mod source;
mod words;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use lienthong_schemas::edxml::{
    EdxmlLimits, Envelope, Finding, PacketFault, Remark, read_envelope, read_envelope_keeping,
};

use super::verify::Trusted;
use super::{CommandFault, print, tables};
use extract::{Extraction, Names};
use signature::Judgement;
use source::Source;

/// Columns of a page that no terminal shows.
const WIDTH: u16 = 80;

#[derive(Args)]
#[command(
    after_help = "Mã thoát / exit code: 0 đọc được (read), 1 gói tin không hợp lệ (refused), 3 lỗi khác (usage or I/O).\n\
                        Không có --cert và --ca thì người ký không được xét (without --cert or --ca the signer is not judged)."
)]
pub(super) struct Inspect {
    /// Gói tin; - là đầu vào chuẩn / The packet; - is standard input
    file: PathBuf,
    /// Kết quả dạng JSON, xem docs/inspect.md / Result as JSON
    #[arg(long)]
    json: bool,
    /// Lưu các tệp đính kèm vào thư mục này, không ghi đè / Write the attachments to this folder, over nothing
    #[arg(long, value_name = "DIR")]
    extract: Option<PathBuf>,
    /// Số cột của trang in / Columns of the page
    #[arg(long, value_name = "COLUMNS", conflicts_with = "json")]
    width: Option<u16>,
    #[command(flatten)]
    trusted: Trusted,
}

/// All that is known of a packet.
struct Inspected {
    source: Source,
    envelope: Envelope,
    /// It was read with given namespace bindings.
    repaired: bool,
    /// What was noticed: warnings, then notes.
    remarks: Vec<Remark>,
    judgement: Judgement,
    /// The names of the attachments' files.
    names: Vec<Names>,
    /// The folder that those files were written to.
    saved_in: Option<PathBuf>,
}

impl Inspect {
    pub(super) fn run(self) -> Result<ExitCode, CommandFault> {
        // Settings of the command line that cannot be used are told before anything is read.
        self.trusted.trust()?;
        let source = Source::open(&self.file)?;
        let limits = EdxmlLimits::default();
        let mut extraction = self.extract.as_deref().map(Extraction::begin).transpose()?;
        let mut open = || Ok(source.boxed());
        let read = match &mut extraction {
            Some(extraction) => read_envelope_keeping(&mut open, &limits, extraction),
            None => read_envelope(&mut open, &limits),
        };
        let (envelope, repaired) = match read {
            Ok(read) => read,
            Err(PacketFault::Io(cause)) => return Err(CommandFault::at(&source.name, cause)),
            Err(PacketFault::Rejected(rejection)) => {
                if self.json {
                    tables::json(&json::rejected(&rejection))?;
                } else {
                    print(&page::rejected(&rejection, self.width(), colour()));
                }
                return Ok(ExitCode::from(1));
            }
        };
        let judgement = signature::judge(&source, repaired, &self.trusted)?;
        if let Some(extraction) = extraction {
            extraction.keep(envelope.claimed_content())?;
        }
        let (remarks, names) = (remarks(&envelope, repaired), extract::names(envelope.claimed_content()));
        let saved_in = self.extract.clone();
        let seen = Inspected { source, envelope, repaired, remarks, judgement, names, saved_in };
        if self.json {
            tables::json(&json::packet(&seen))?;
        } else {
            print(&page::packet(&seen, self.width(), colour()));
        }
        Ok(ExitCode::SUCCESS)
    }

    fn width(&self) -> u16 {
        self.width.or_else(terminal_width).unwrap_or(WIDTH)
    }
}

/// What was noticed, and that the packet had to be repaired, which its reader tells beside.
fn remarks(envelope: &Envelope, repaired: bool) -> Vec<Remark> {
    let found = &envelope.claimed_content().findings;
    let told = found.has(Finding::UndeclaredPrefixRepaired);
    let repair = Remark {
        finding: Finding::UndeclaredPrefixRepaired,
        field: "edXML".to_owned(),
        detail: String::new(),
    };
    (repaired && !told).then_some(repair).into_iter().chain(found.remarks().iter().cloned()).collect()
}

/// Colour is for people.
fn colour() -> bool {
    std::io::stdout().is_terminal() && lienthong_config::environment::colour_is_wanted()
}

fn terminal_width() -> Option<u16> {
    let columns = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?.ws_col;
    (columns > 0).then_some(columns)
}
