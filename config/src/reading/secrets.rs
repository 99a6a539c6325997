//! Secrets of the settings: from the environment, in clear, from a file of their own, or sealed.

use super::{Section, read_limited};
use crate::environment;
use crate::fault::{FaultCode, Rule};
use crate::seal::{MasterKey, SealFault, SecretPlace};
use crate::values::secret::{SECRET_BYTES_MAX, Secret};

/// Whether a secret may stand in the settings as it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum InClear {
    /// Yes.
    Allowed,
    /// No: whoever reads the file must not be able to speak in our name.
    Refused,
}

/// What is known of the master key.
#[derive(Default)]
pub(super) enum Master {
    /// None was given.
    #[default]
    Absent,
    /// One was given, and what is wrong with it is noted.
    Faulty,
    /// This one.
    Known(MasterKey),
}

impl Section<'_, '_> {
    /// Takes in the master key: from the environment, which goes first, or from the file that `key` names. Sealed secrets
    /// that are asked for later are opened with it.
    pub(crate) fn master_key(&mut self, key: &str) {
        let file = self.file(key);
        self.reading.master = match MasterKey::load(file.as_deref(), self.environment()) {
            Ok(master) => Master::Known(master),
            Err(SealFault::NoKey) if self.is_set(key) => Master::Faulty,
            Err(SealFault::NoKey) => Master::Absent,
            Err(_) => {
                let variable = environment::MASTER_KEY;
                let rule = Rule::new(
                    format!(
                        "khóa chủ phải là 32 byte viết bằng 64 chữ số hex hoặc base64 (có thể lấy từ {variable})"
                    ),
                    format!(
                        "the master key has 32 bytes, as 64 hex digits or base64, possibly from {variable}"
                    ),
                );
                self.fault(key, FaultCode::WrongType, rule);
                Master::Faulty
            }
        };
    }

    /// The master key that was taken in.
    pub(crate) fn known_master(&self) -> Option<MasterKey> {
        match &self.reading.master {
            Master::Known(master) => Some(master.clone()),
            Master::Absent | Master::Faulty => None,
        }
    }

    /// A secret: from the environment, which goes first, or one of `key`, `<key>_file` and `<key>_sealed`.
    pub(crate) fn secret(&mut self, key: &str, variable: &str, in_clear: InClear) -> Option<Secret> {
        let clear = match in_clear {
            InClear::Allowed => self.read(key),
            InClear::Refused => self.refuse_in_clear(key, variable),
        };
        let (key_file, key_sealed) = (format!("{key}_file"), format!("{key}_sealed"));
        let file = self.file(&key_file);
        let sealed: Option<String> = self.read(&key_sealed);
        let set = [&key_file, &key_sealed].into_iter().filter(|other| self.is_set(other)).cloned();
        let set: Vec<String> = set.collect();
        if let Some(last) = set.last().filter(|_| set.len() + usize::from(self.is_set(key)) > 1) {
            let rule = Rule::new(
                format!("chỉ khai một trong {key}, {key_file}, {key_sealed}"),
                format!("only one of {key}, {key_file}, {key_sealed}"),
            );
            self.fault(last, FaultCode::Contradiction, rule);
        }
        let place = SecretPlace::of_key(self.path_of(key));
        let text = match (self.environment().value(variable), clear, file, sealed) {
            (Some(value), ..) => value.to_str().map(str::to_owned),
            (None, Some(text), ..) => Some(text),
            (None, None, Some(file), _) => read_limited(&file, SECRET_BYTES_MAX as u64 + 2)
                .ok()
                .map(|text| text.trim_end_matches(['\r', '\n']).to_owned()),
            (None, None, None, Some(sealed)) => return self.open(&key_sealed, &place, &sealed),
            (None, None, None, None) => return None,
        };
        let least = place.bytes_min();
        if let Some(text) = text.filter(|text| (least..=SECRET_BYTES_MAX).contains(&text.len())) {
            return Some(Secret::new(text));
        }
        let rule = Rule::new(
            format!("phải là UTF-8 dài từ {least} đến {SECRET_BYTES_MAX} byte (có thể lấy từ {variable})"),
            format!("UTF-8 of {least} to {SECRET_BYTES_MAX} bytes, possibly from {variable}"),
        );
        self.fault(key, FaultCode::OutOfRange, rule);
        None
    }

    /// A secret that must be given in one of these ways.
    pub(crate) fn required_secret(&mut self, key: &str, variable: &str, in_clear: InClear) -> Option<Secret> {
        let faults_before = self.faults_noted();
        let secret = self.secret(key, variable, in_clear);
        // A sealed one that is set may have no fault of its own: the master key's is noted already.
        let given = self.is_set(&format!("{key}_sealed"));
        if secret.is_none() && !given && self.faults_noted() == faults_before {
            let clear = if in_clear == InClear::Allowed { format!("{key}, ") } else { String::new() };
            let rule = Rule::new(
                format!("cần {clear}{key}_file, {key}_sealed hoặc biến môi trường {variable}"),
                format!("{clear}{key}_file, {key}_sealed or the variable {variable} is needed"),
            );
            self.fault(key, FaultCode::Missing, rule);
        }
        secret
    }

    /// Refuses a secret in clear, whatever its value is.
    fn refuse_in_clear(&mut self, key: &str, variable: &str) -> Option<String> {
        let place = self.path_of(key);
        let rule = Rule::new(
            format!(
                "không được để trần trong tệp này: dùng {key}_sealed (lienthong secret seal --place {place}), {key}_file \
                 hoặc biến {variable}"
            ),
            format!(
                "must not stand here in clear: use {key}_sealed (lienthong secret seal --place {place}), {key}_file or \
                 the variable {variable}"
            ),
        );
        self.refuse(key, FaultCode::SecretInClear, rule);
        None
    }

    fn open(&mut self, key_sealed: &str, place: &SecretPlace, sealed: &str) -> Option<Secret> {
        let opened = match &self.reading.master {
            Master::Known(master) => master.open(place, sealed),
            Master::Faulty => return None,
            Master::Absent => {
                let variable = environment::MASTER_KEY;
                let rule = Rule::new(
                    format!("chưa có khóa chủ: khai gateway.master_key_file hoặc biến {variable}"),
                    format!("no master key: set gateway.master_key_file or the variable {variable}"),
                );
                self.fault(key_sealed, FaultCode::Missing, rule);
                return None;
            }
        };
        let (code, rule) = match opened {
            Ok(secret) => return Some(secret),
            Err(SealFault::Malformed) => (
                FaultCode::WrongType,
                Rule::new(
                    "phải là dạng v1:… do lienthong secret seal in ra",
                    "of the form v1:…, as lienthong secret seal prints it",
                ),
            ),
            Err(SealFault::Length { least }) => (
                FaultCode::OutOfRange,
                Rule::new(
                    format!("bên trong phải là UTF-8 dài từ {least} đến {SECRET_BYTES_MAX} byte"),
                    format!("inside is UTF-8 of {least} to {SECRET_BYTES_MAX} bytes"),
                ),
            ),
            // All others are one: what does not open must not tell why.
            Err(_) => (
                FaultCode::WrongSeal,
                Rule::new(
                    format!("không mở được: sai khóa chủ, niêm phong không phải cho {place}, hoặc đã bị sửa"),
                    format!("does not open: another master key, not sealed for {place}, or changed"),
                ),
            ),
        };
        self.fault(key_sealed, code, rule);
        None
    }
}
