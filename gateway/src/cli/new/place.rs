//! A packet to its place: written aside, read by our own reader, and only then put where it was asked for, whole.

use std::fs::{File, Permissions};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use lienthong_schemas::edxml::{
    Content, EdxmlLimits, Finding, PacketFault, Packing, Severity, check_carried, read_envelope,
};
use lienthong_schemas::rejections::Rejection;
use lienthong_schemas::safe_text::SafeText;
use tempfile::NamedTempFile;

use super::super::{CommandFault, complain};
use super::{NewFault, Out};

/// Less what the umask of who makes the packet takes away.
const MODE: u32 = 0o666;
/// Longest word from a packet in a line of ours, in bytes.
const SHOWN_BYTES_MAX: usize = 200;

impl Out {
    /// Puts what `write` writes into its place, if our reader and the rule on secrets take it.
    pub(super) fn put(
        &self,
        write: impl FnOnce(&mut dyn Write) -> Result<(), NewFault>,
    ) -> Result<(), NewFault> {
        let output = self.output.as_deref().filter(|output| *output != Path::new("-"));
        if let Some(output) = output.filter(|_| !self.force)
            && output.symlink_metadata().is_ok()
        {
            return Err(there(output).into());
        }
        let folder =
            output.map(|o| o.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")));
        let place = output.map_or_else(|| "đầu ra chuẩn (stdout)".to_owned(), |o| o.display().to_string());
        let fault = |cause: std::io::Error| CommandFault::at(&place, cause);
        let mut made = tempfile::Builder::new();
        if output.is_some() {
            made.permissions(Permissions::from_mode(MODE));
        }
        let draft =
            folder.map_or_else(|| made.tempfile(), |folder| made.tempfile_in(folder)).map_err(fault)?;
        let mut writer = BufWriter::new(draft.as_file());
        write(&mut writer)?;
        writer.flush().map_err(fault)?;
        drop(writer);
        judge(draft.path())?;
        match (output, folder) {
            (Some(output), Some(folder)) => self.persist(draft, output, folder)?,
            _ => to_stdout(&draft).map_err(fault)?,
        }
        Ok(())
    }

    /// Renamed into its place when it is on disk, and the folder after it.
    fn persist(&self, draft: NamedTempFile, output: &Path, folder: &Path) -> Result<(), CommandFault> {
        let fault = |cause: std::io::Error| CommandFault::at(output.display(), cause);
        draft.as_file().sync_all().map_err(fault)?;
        if self.force {
            draft.persist(output).map_err(|cause| fault(cause.error))?;
        } else {
            // Somebody else may have put one there meanwhile.
            draft.persist_noclobber(output).map_err(|cause| match cause.error.kind() {
                std::io::ErrorKind::AlreadyExists => there(output),
                _ => fault(cause.error),
            })?;
        }
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(fault)
    }
}

fn there(output: &Path) -> CommandFault {
    CommandFault::at(
        output.display(),
        "tệp đã có, dùng --force để ghi đè (the file is there; --force replaces it)",
    )
}

fn to_stdout(draft: &NamedTempFile) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let copied = std::io::copy(&mut draft.reopen()?, &mut out).and_then(|_| out.flush());
    copied.or_else(|cause| if cause.kind() == std::io::ErrorKind::BrokenPipe { Ok(()) } else { Err(cause) })
}

/// What our own reader and the rule on secrets say; warnings go to stderr.
fn judge(packet: &Path) -> Result<(), NewFault> {
    let mut open = || File::open(packet).map(|f| Box::new(BufReader::new(f)) as Box<dyn BufRead>);
    let (envelope, _) = read_envelope(&mut open, &EdxmlLimits::default()).map_err(|fault| match fault {
        PacketFault::Rejected(rejection) => refused(&rejection),
        PacketFault::Io(cause) => CommandFault::at(packet.display(), cause).into(),
    })?;
    let content = envelope.claimed_content();
    check_carried(content).map_err(|rejection| refused(&rejection))?;
    let unpacked = unpacked(content);
    if !unpacked.is_empty() {
        return Err(NewFault::Refused(unpacked));
    }
    for remark in content.findings.remarks() {
        if remark.finding.severity() != Severity::Note && remark.finding != Finding::SignatureAbsent {
            let (vi, en) = remark.finding.wording();
            complain(&format!("lưu ý (warning): {}: {vi} ({en})", shown(&remark.field)));
        }
    }
    Ok(())
}

/// Attachments that receivers would not open as they are: they are ZIPs of one file under the name of an office file.
fn unpacked(content: &Content) -> Vec<String> {
    let attachments = content.attachments.iter().enumerate();
    let others =
        attachments.filter(|(_, a)| matches!(a.packing, Packing::Zipped(_) | Packing::FirstOfSeveral(_)));
    let line = |(n, attachment): (usize, &lienthong_schemas::edxml::Attachment)| {
        format!(
            "AttachmentEncoded/Attachment[{}] {}: nơi nhận sẽ giải nén và chỉ lấy tệp bên trong (receivers would unpack \
             it and take the file in it)",
            n + 1,
            shown(&attachment.name)
        )
    };
    others.map(line).collect()
}

fn refused(rejection: &Rejection) -> NewFault {
    let row = rejection.code.row();
    NewFault::Refused(vec![format!("{} {} ({})", shown(&rejection.to_string()), row.rule_vi, row.rule_en)])
}

fn shown(text: &str) -> String {
    SafeText::new(text).cut(SHOWN_BYTES_MAX).into_string()
}
