//! `lienthong secret key`, `seal` and `nkey`: what the settings hold in place of a secret, and what a broker knows of us.
//! A secret comes from stdin only: arguments are seen by every user of the machine.

use std::io::{BufRead, IsTerminal, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use lienthong_broker::Nkey;
use lienthong_config::{Environment, MasterKey, SECRET_BYTES_MAX, Secret, SecretPlace};

use super::{CommandFault, print};

#[derive(Subcommand)]
pub(super) enum SecretCommand {
    /// Tạo khóa chủ mới, in ra dạng hex / Print a fresh master key, in hex
    Key,
    /// Niêm phong khóa bí mật đọc từ stdin / Seal the secret that stdin gives
    #[command(after_help = "Khóa bí mật đọc từ stdin, đến hết dòng (the secret is one line of stdin):\n  \
                            lienthong secret seal --place axes.vpcp.secret --master-key-file F < secret.txt")]
    Seal {
        /// Vị trí trong cấu hình, như axes.vpcp.secret / The key in the settings that it is for
        #[arg(long, value_name = "KEY")]
        place: String,
        /// Tệp khóa chủ; biến LIENTHONG_MASTER_KEY được ưu tiên / File of the master key; the variable goes first
        #[arg(long, value_name = "FILE")]
        master_key_file: Option<PathBuf>,
    },
    /// Tạo nkey cho một trục: ghi nửa bí mật ra tệp, in nửa công khai cho cụm broker / Make a gateway's nkey: the seed goes to
    /// a file, the public half, for the cluster, to stdout
    Nkey {
        /// Tệp mới cho nửa bí mật, 0600 / A new file for the seed
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

pub(super) fn run(command: &SecretCommand) -> Result<ExitCode, CommandFault> {
    match command {
        SecretCommand::Key => {
            let key = MasterKey::generate().map_err(|cause| CommandFault::at("secret key", cause))?;
            print(&key.expose_hex());
        }
        SecretCommand::Seal { place, master_key_file } => {
            let place: SecretPlace = place.parse().map_err(|cause| CommandFault::at("--place", cause))?;
            let key = MasterKey::load(master_key_file.as_deref(), &Environment::of_process());
            let key = key.map_err(|cause| CommandFault::at("--master-key-file", cause))?;
            let sealed = key.seal(&place, &secret_of_stdin()?);
            print(&sealed.map_err(|cause| CommandFault::at("stdin", cause))?);
        }
        SecretCommand::Nkey { out } => print(&make_nkey(out)?),
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the seed of a fresh nkey to a file that must not be there; its public half.
pub(crate) fn make_nkey(out: &Path) -> Result<String, CommandFault> {
    let nkey = Nkey::generate();
    let seed = nkey.expose_seed().map_err(|cause| CommandFault::at("secret nkey", cause))?;
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(out);
    let written = file.and_then(|mut file| writeln!(file, "{seed}").and_then(|()| file.sync_all()));
    written.map_err(|cause| CommandFault::at(out.display(), cause))?;
    Ok(nkey.public())
}

/// One line of stdin, its end left out. At a terminal the line end sends it; elsewhere nothing may follow it, or half of
/// a secret would be sealed without a word.
fn secret_of_stdin() -> Result<Secret, CommandFault> {
    let fault = |cause: &dyn std::fmt::Display| CommandFault::at("stdin", cause);
    let stdin = std::io::stdin().lock();
    let at_terminal = stdin.is_terminal();
    let mut input = stdin.take(SECRET_BYTES_MAX as u64 + 3);
    let mut bytes = Vec::new();
    let read = if at_terminal { input.read_until(b'\n', &mut bytes) } else { input.read_to_end(&mut bytes) };
    read.map_err(|cause| fault(&cause))?;
    let text = String::from_utf8(bytes).map_err(|_| fault(&"không phải UTF-8 (not UTF-8)"))?;
    let line = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if line.contains(['\n', '\r', '\0']) {
        return Err(fault(&"khóa bí mật phải nằm trên một dòng (a secret is one line)"));
    }
    Ok(Secret::new(line))
}
