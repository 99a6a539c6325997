//! From files to values: settings, directory, certificates, tokens. All of it or nothing, with everything wrong listed.

use std::path::{Path, PathBuf};

use lienthong_config::{ByteSize, Environment, Profile, Settings};
use lienthong_pipeline::directory::{Directory, Line, Lines};
use lienthong_pipeline::intake::Anchors;
use lienthong_pipeline::record::{AdapterKind, SystemId};
use lienthong_schemas::organ::OrganId;
use xml_sig::{Certificate, Crl};

use crate::cli::CommandFault;
use crate::cli::TRIAL_MARK;
use crate::http::auth::Credentials;

/// Largest directory file, in bytes: 10,000 organisations need about 4 MB.
const DIRECTORY_BYTES_MAX: u64 = 32 << 20;
/// Largest certificate or revocation list file, in bytes.
const PEM_BYTES_MAX: u64 = 16 << 20;

/// Everything that the files say.
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// Our own code.
    pub own: OrganId,
    /// The organisations.
    pub directory: Directory,
    /// The files that the directory was read from.
    pub directory_files: FilesSeen,
    /// CA certificates and revocation lists.
    pub anchors: Anchors,
    /// Token hashes.
    pub credentials: Credentials,
}

/// Files as they were when they were looked at.
#[derive(Clone, Debug, Default)]
pub struct FilesSeen(Vec<(PathBuf, Option<Look>)>);

/// What tells one content of a file from another: time of change with nanoseconds, length, inode (stat(2)).
type Look = (i64, i64, u64, u64);

impl FilesSeen {
    fn look_at(&mut self, path: PathBuf) {
        let look = look(&path);
        self.0.push((path, look));
    }

    /// Whether one of them is another now, has come or is gone.
    pub fn changed(&self) -> bool {
        self.0.iter().any(|(path, seen)| look(path) != *seen)
    }
}

fn look(path: &Path) -> Option<Look> {
    use std::os::unix::fs::MetadataExt;
    let file = std::fs::metadata(path).ok()?;
    Some((file.mtime(), file.mtime_nsec(), file.len(), file.ino()))
}

/// Only the settings file; for commands that need no more.
pub fn load(file: &Path) -> Result<Settings, CommandFault> {
    Settings::load(file, &Environment::of_process()).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        CommandFault(format!("cấu hình có lỗi (settings have faults):\n{}", lines.join("\n")))
    })
}

/// Settings and every file that they name.
///
/// # Errors
/// One line for each thing that is wrong.
pub fn load_all(file: &Path) -> Result<Loaded, Vec<String>> {
    let settings = Settings::load(file, &Environment::of_process())
        .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let mut faults = Vec::new();
    let own = OrganId::parse(&settings.gateway.organ_id);
    let own = own.map_err(|cause| faults.push(format!("gateway.organ_id: {cause}"))).ok();
    let (directory_files, directory) = directory(&settings);
    let directory = directory.map_err(|list| faults.extend(list)).ok();
    let anchors = anchors(&settings).map_err(|list| faults.extend(list)).ok();
    match (own, directory, anchors) {
        (Some(own), Some(directory), Some(anchors)) if faults.is_empty() => {
            let credentials = credentials(&settings);
            Ok(Loaded { settings, own, directory, directory_files, anchors, credentials })
        }
        _ => Err(faults),
    }
}

/// Reads the directory that the settings name and checks all of it, at the start and at every reload. The files are
/// looked at before they are read: one that changes meanwhile is seen as changed at the next look.
pub fn directory(settings: &Settings) -> (FilesSeen, Result<Directory, Vec<String>>) {
    let mut files = FilesSeen::default();
    let checked = read_directory(settings, &mut files).and_then(|directory| {
        let certificates = directory.organisations().iter().flat_map(|o| &o.certificates);
        let faults = trial_marks(settings, certificates);
        if faults.is_empty() { Ok(directory) } else { Err(faults) }
    });
    (files, checked)
}

fn read_directory(settings: &Settings, files: &mut FilesSeen) -> Result<Directory, Vec<String>> {
    let file = &settings.directory.file;
    files.look_at(file.clone());
    let text = read(file, DIRECTORY_BYTES_MAX).and_then(|bytes| {
        String::from_utf8(bytes).map_err(|_| format!("{}: không phải UTF-8 (not UTF-8)", file.display()))
    });
    let text = text.map_err(|fault| vec![fault])?;
    let folder = file.parent().unwrap_or_else(|| Path::new("."));
    let mut certificate = |path: &str| {
        let path = folder.join(path);
        files.look_at(path.clone());
        read(&path, PEM_BYTES_MAX)
    };
    Directory::from_toml(&text, &lines(settings), &mut certificate)
        .map_err(|faults| faults.iter().map(|fault| format!("{}: {fault}", file.display())).collect())
}

fn anchors(settings: &Settings) -> Result<Anchors, Vec<String>> {
    let mut anchors = Anchors::default();
    let mut faults = Vec::new();
    for path in &settings.trust.ca {
        let read = read(path, PEM_BYTES_MAX).and_then(|pem| {
            Certificate::from_pem(&pem).map_err(|cause| format!("{}: {cause}", path.display()))
        });
        match read {
            Ok(found) => anchors.anchors.extend(found),
            Err(fault) => faults.push(format!("trust.ca: {fault}")),
        }
    }
    for path in &settings.trust.crl {
        let read = read(path, PEM_BYTES_MAX)
            .and_then(|pem| Crl::from_pem(&pem).map_err(|cause| format!("{}: {cause}", path.display())));
        match read {
            Ok(found) => anchors.crls.extend(found),
            Err(fault) => faults.push(format!("trust.crl: {fault}")),
        }
    }
    faults.extend(trial_marks(settings, &anchors.anchors));
    if faults.is_empty() { Ok(anchors) } else { Err(faults) }
}

fn credentials(settings: &Settings) -> Credentials {
    let pairs = settings.systems.iter().filter_map(|(id, system)| Some((SystemId::parse(id)?, system)));
    Credentials::new(
        pairs.flat_map(|(id, system)| system.token_sha256.iter().map(move |hash| (*hash, id.clone()))),
    )
}

/// Keys made by `keygen` or `demo` must not meet real traffic (design.md B8).
fn trial_marks<'a>(
    settings: &Settings,
    certificates: impl IntoIterator<Item = &'a Certificate>,
) -> Vec<String> {
    if settings.gateway.profile == Profile::Trial {
        return Vec::new();
    }
    let marked = |certificate: &&Certificate| certificate.subject().contains(TRIAL_MARK);
    let certificates = certificates.into_iter().filter(marked);
    certificates
        .map(|certificate| {
            let subject = certificate.subject();
            format!("chứng thư thử nghiệm cần profile = \"trial\" (a trial certificate needs profile = \"trial\"): {subject}")
        })
        .collect()
}

/// What the directory may name as a home, and how packets go there.
pub fn lines(settings: &Settings) -> Lines {
    let systems = settings.systems.iter().filter_map(|(id, system)| {
        let line = match (&system.vendor_http, &system.email) {
            (Some(_), _) => Line { way: Some(AdapterKind::VendorHttp), packet_bytes_max: None },
            (None, Some(email)) => Line {
                way: Some(AdapterKind::Email),
                packet_bytes_max: Some(mailed_packet_bytes_max(email.message_max.bytes())),
            },
            (None, None) => Line::default(),
        };
        Some((SystemId::parse(id)?, line))
    });
    let axes = settings.axes.iter().filter_map(|(id, axis)| {
        let packet_bytes_max = axis.packet_max.map(ByteSize::bytes);
        Some((SystemId::parse(id)?, Line { way: Some(AdapterKind::NationalAxis), packet_bytes_max }))
    });
    Lines { systems: systems.collect(), axes: axes.collect() }
}

/// Largest packet in a message of so many bytes: base64 makes four bytes of three, the rest is for what stands around.
const fn mailed_packet_bytes_max(message_bytes_max: u64) -> u64 {
    const AROUND: u64 = 64 << 10;
    (message_bytes_max / 4 * 3).saturating_sub(AROUND)
}

fn read(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    use std::io::Read;
    let fault = |cause: std::io::Error| format!("{}: {cause}", path.display());
    let mut bytes = Vec::new();
    std::fs::File::open(path).map_err(fault)?.take(most + 1).read_to_end(&mut bytes).map_err(fault)?;
    if bytes.len() as u64 > most {
        return Err(format!("{}: lớn hơn {most} byte (larger than {most} bytes)", path.display()));
    }
    Ok(bytes)
}
