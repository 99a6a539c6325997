//! `lienthong text convert`: old Vietnamese encodings into Unicode, in constant memory. What cannot be converted, or not
//! told for certain, is refused with its place, and then nothing is written. Packets are never rewritten.

use std::fs::{File, Permissions};
use std::io::{IsTerminal, Read, Seek, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use lienthong_schemas::safe_text::SafeText;
use lienthong_schemas::text::{
    Confidence, Converter, DETECT_BYTES_MAX, Encoding, Form, Source, Unconvertible, Undetected, detect,
    source_of,
};

use super::{CommandFault, complain};

#[derive(Subcommand)]
pub(super) enum TextCommand {
    /// Chuyển bảng mã cũ sang Unicode / Convert old encodings to Unicode
    Convert(Convert),
}

#[derive(Args)]
pub(super) struct Convert {
    /// Bảng mã của văn bản / The text's encoding
    #[arg(long, value_enum, value_name = "ENCODING")]
    from: Given,
    /// Dạng Unicode / Form of Unicode
    #[arg(long, value_enum, value_name = "FORM", default_value = "nfc")]
    to: To,
    /// Phông chữ hoa .Vn…H: mọi chữ đều là chữ hoa (TCVN3) / A .Vn…H font: all letters are capitals
    #[arg(long)]
    capitals: bool,
    /// Các tệp, không có hoặc "-" là đầu vào chuẩn / Files; none or "-" is standard input
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Nơi ghi, mặc định là đầu ra chuẩn / Where the result goes, standard output if not given
    #[arg(short, long, value_name = "OUT")]
    output: Option<PathBuf>,
}

/// What a person says of the encoding.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Given {
    Auto,
    Tcvn3,
    Tcvn5712,
    Vni,
    Viqr,
    Cp1258,
    Utf8,
}

#[derive(Clone, Copy, ValueEnum)]
enum To {
    Nfc,
    Nfd,
}

/// Why a text was not converted.
enum Fault {
    /// The text's own fault: exit code 1.
    Text(String),
    Command(CommandFault),
}

impl From<CommandFault> for Fault {
    fn from(fault: CommandFault) -> Self {
        Self::Command(fault)
    }
}

pub(super) fn run(command: TextCommand) -> Result<ExitCode, CommandFault> {
    let TextCommand::Convert(convert) = command;
    match convert.run() {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(Fault::Command(fault)) => Err(fault),
        Err(Fault::Text(words)) => {
            complain(&words);
            Ok(ExitCode::from(1))
        }
    }
}

impl Convert {
    fn run(&self) -> Result<(), Fault> {
        if self.capitals && !matches!(self.from, Given::Tcvn3 | Given::Auto) {
            let words = "--capitals chỉ dùng với --from tcvn3 hoặc auto (--capitals is for TCVN3)";
            return Err(CommandFault(words.to_owned()).into());
        }
        let standard_input = [PathBuf::from("-")];
        let files = if self.files.is_empty() { &standard_input[..] } else { &self.files };
        match self.output.as_deref().filter(|output| *output != Path::new("-")) {
            Some(output) => self.to_file(files, output),
            None => self.to_standard_output(files),
        }
    }

    /// The file appears whole or not at all; one that is there keeps its permissions.
    fn to_file(&self, files: &[PathBuf], output: &Path) -> Result<(), Fault> {
        // Behind a link, the file that it leads to.
        let output = std::fs::canonicalize(output).unwrap_or_else(|_| output.to_owned());
        let fault = |cause: &dyn std::fmt::Display| CommandFault::at(shown(&output), cause);
        let kept = std::fs::metadata(&output).ok();
        if kept.as_ref().is_some_and(|m| !m.is_file()) {
            return Err(fault(&"không phải tệp thường (not a regular file)").into());
        }
        let folder = output.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        let mode = Permissions::from_mode(0o666);
        let made = tempfile::Builder::new().permissions(mode).tempfile_in(folder);
        let mut draft = made.map_err(|cause| fault(&cause))?;
        self.convert_all(files, draft.as_file_mut())?;
        let kept = kept.map_or(Ok(()), |m| draft.as_file().set_permissions(m.permissions()));
        kept.and_then(|()| draft.as_file().sync_all()).map_err(|cause| fault(&cause))?;
        draft.persist(&output).map_err(|cause| fault(&cause.error))?;
        Ok(())
    }

    /// Kept aside until all of it is converted.
    fn to_standard_output(&self, files: &[PathBuf]) -> Result<(), Fault> {
        let fault = |cause: std::io::Error| CommandFault::at("đầu ra (output)", cause);
        let mut draft = tempfile::tempfile().map_err(fault)?;
        self.convert_all(files, &mut draft)?;
        draft.rewind().map_err(fault)?;
        let mut out = std::io::stdout().lock();
        let written = if out.is_terminal() {
            to_terminal(draft, self.form(), &mut out)
        } else {
            std::io::copy(&mut draft, &mut out).map(|_| ())
        };
        match written.and_then(|()| out.flush()) {
            Err(cause) if cause.kind() != std::io::ErrorKind::BrokenPipe => Err(fault(cause).into()),
            _ => Ok(()),
        }
    }

    fn convert_all(&self, files: &[PathBuf], out: &mut dyn Write) -> Result<(), Fault> {
        for file in files {
            let place =
                if file == Path::new("-") { "đầu vào chuẩn (stdin)".to_owned() } else { shown(file) };
            if file == Path::new("-") {
                self.convert(std::io::stdin().lock(), &place, out)?;
            } else {
                let file = File::open(file).map_err(|cause| CommandFault::at(&place, cause))?;
                self.convert(file, &place, out)?;
            }
        }
        Ok(())
    }

    fn convert(&self, mut input: impl Read, place: &str, out: &mut dyn Write) -> Result<(), Fault> {
        let read_fault = |cause| CommandFault::at(place, cause);
        let mut head = Vec::new();
        input.by_ref().take(DETECT_BYTES_MAX as u64).read_to_end(&mut head).map_err(read_fault)?;
        if is_packet(&head) {
            return Err(Fault::Text(format!(
                "{place}: đây là gói tin edXML; byte của gói tin không bao giờ được đổi. Đọc nó bằng `lienthong inspect` \
                 (an edXML packet is never rewritten; read it with `lienthong inspect`)"
            )));
        }
        let mut converter = Converter::new(self.source(&head, place)?, self.form());
        let mut text = String::new();
        let mut piece = head;
        while !piece.is_empty() {
            converter.push(&piece, &mut text).map_err(|fault| refused(place, &fault))?;
            write(out, &mut text)?;
            piece.resize(DETECT_BYTES_MAX, 0);
            let length = read_some(&mut input, &mut piece).map_err(read_fault)?;
            piece.truncate(length);
        }
        converter.finish(&mut text).map_err(|fault| refused(place, &fault))?;
        write(out, &mut text)?;
        Ok(())
    }

    fn form(&self) -> Form {
        match self.to {
            To::Nfc => Form::Nfc,
            To::Nfd => Form::Nfd,
        }
    }

    fn source(&self, head: &[u8], place: &str) -> Result<Source, Fault> {
        let mut source = match self.from {
            Given::Auto => {
                let found = detect(head).map_err(|fault| undetected(place, &fault))?;
                if found.confidence == Confidence::Likely {
                    let name = found.source.encoding.name();
                    complain(&format!("{place}: nhận ra bảng mã {name} (recognised as {name})"));
                }
                found.source
            }
            Given::Tcvn3 => source_of(Encoding::Tcvn3, head),
            Given::Tcvn5712 => source_of(Encoding::Tcvn5712, head),
            Given::Vni => source_of(Encoding::Vni, head),
            Given::Viqr => source_of(Encoding::Viqr, head),
            Given::Cp1258 => source_of(Encoding::Cp1258, head),
            Given::Utf8 => source_of(Encoding::Utf8, head),
        };
        if self.capitals && source.encoding == Encoding::Tcvn3 {
            source.encoding = Encoding::Tcvn3Capitals;
        }
        Ok(source)
    }
}

fn read_some(input: &mut impl Read, piece: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match input.read(piece) {
            Err(cause) if cause.kind() == std::io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn write(out: &mut dyn Write, text: &mut String) -> Result<(), CommandFault> {
    out.write_all(text.as_bytes()).map_err(|cause| CommandFault::at("đầu ra (output)", cause))?;
    text.clear();
    Ok(())
}

/// A file's name, as it may be printed.
fn shown(path: &Path) -> String {
    SafeText::new(&path.to_string_lossy()).into_string()
}

fn refused(place: &str, fault: &Unconvertible) -> Fault {
    Fault::Text(match fault {
        Unconvertible::Bytes { offset, bytes, encoding } => {
            let name = encoding.name();
            format!(
                "{place}: byte {offset} ({}): không đọc được theo {name}; chưa ghi gì (not {name}; nothing was written)",
                hex::encode_upper(bytes)
            )
        }
        Unconvertible::Marks { offset } => format!(
            "{place}: byte {offset}: quá nhiều dấu liền nhau; chưa ghi gì (too many combining marks; nothing was written)"
        ),
    })
}

fn undetected(place: &str, fault: &Undetected) -> Fault {
    Fault::Text(match fault {
        Undetected::Binary => format!(
            "{place}: có byte 0: không phải văn bản, hoặc là UTF-16 không có BOM (not a text, or UTF-16 without a BOM)"
        ),
        Undetected::Unknown => format!(
            "{place}: không nhận ra bảng mã; hãy nêu bằng --from (no encoding fits; name it with --from)"
        ),
        Undetected::Ambiguous(encodings) => {
            let names: Vec<_> = encodings.iter().map(|encoding| encoding.name()).collect();
            let names = names.join(", ");
            format!(
                "{place}: chưa đủ chắc là bảng mã nào, có thể là {names}; hãy nêu bằng --from (could be {names}; name it \
                 with --from)"
            )
        }
    })
}

/// Lines for a terminal: what would move its cursor, hide or reorder stands escaped.
fn to_terminal(mut input: impl Read, form: Form, out: &mut dyn Write) -> std::io::Result<()> {
    let utf8 = || Converter::new(Source { encoding: Encoding::Utf8, surface: false }, form);
    let mut converter = utf8();
    let mut piece = vec![0; DETECT_BYTES_MAX];
    loop {
        let length = read_some(&mut input, &mut piece)?;
        let mut text = String::new();
        let whole = if length > 0 {
            converter.push(&piece[..length], &mut text)
        } else {
            std::mem::replace(&mut converter, utf8()).finish(&mut text)
        };
        whole.map_err(std::io::Error::other)?;
        for line in text.replace("\r\n", "\n").split_inclusive(['\n', '\t']) {
            let kept = line.trim_end_matches(['\n', '\t']);
            write!(out, "{}{}", SafeText::new(kept), &line[kept.len()..])?;
        }
        if length == 0 {
            return Ok(());
        }
    }
}

/// Most bytes of garbage before the first `<` of a packet.
const GARBAGE_BYTES_MAX: usize = 1024;

/// Whether the first element of an XML file is one of edXML's, in UTF-8 or UTF-16.
fn is_packet(head: &[u8]) -> bool {
    let ascii: Vec<u8> = head.iter().copied().filter(|b| *b != 0 && b.is_ascii()).collect();
    let ascii = String::from_utf8_lossy(&ascii);
    let mut rest = match ascii.split_once('<') {
        Some((garbage, rest)) if garbage.len() <= GARBAGE_BYTES_MAX => rest,
        _ => return false,
    };
    loop {
        let end = match rest.as_bytes() {
            [b'?', ..] => "?>",
            [b'!', b'-', b'-', ..] => "-->",
            [b'!', ..] => ">",
            _ => break,
        };
        match rest.split_once(end).and_then(|(_, after)| after.split_once('<')) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    let name = rest.split([' ', '\t', '\r', '\n', '>', '/']).next().unwrap_or_default();
    name.split(':').any(|part| part == "edXML" || part == "edXMLEnvelope")
}
