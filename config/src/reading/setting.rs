//! How each type of value is read from TOML, and what is said when it cannot be.

use std::net::SocketAddr;
use std::str::FromStr;

use toml::de::DeValue;

use crate::fault::Rule;
use crate::values::byte_size::ByteSize;
use crate::values::network::Network;
use crate::values::span::Span;
use crate::values::url::HttpUrl;

/// A value that a key can have.
pub(crate) trait Setting: Sized {
    /// Reads it. The rule says what is expected, never what stands there.
    fn read(value: &DeValue<'_>) -> Result<Self, Rule>;
}

impl Setting for String {
    fn read(value: &DeValue<'_>) -> Result<Self, Rule> {
        value
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| Rule::new("phải là chuỗi trong dấu nháy", "a text in quotes"))
    }
}

impl Setting for bool {
    fn read(value: &DeValue<'_>) -> Result<Self, Rule> {
        value.as_bool().ok_or_else(|| Rule::new("phải là true hoặc false", "true or false"))
    }
}

impl Setting for u64 {
    fn read(value: &DeValue<'_>) -> Result<Self, Rule> {
        let number = value.as_integer().and_then(|n| Self::from_str_radix(n.as_str(), n.radix()).ok());
        number.ok_or_else(|| Rule::new("phải là số nguyên không âm", "a whole number, not negative"))
    }
}

impl Setting for f64 {
    fn read(value: &DeValue<'_>) -> Result<Self, Rule> {
        let number = match value {
            DeValue::Float(n) => n.as_str().parse().ok(),
            DeValue::Integer(n) => n.as_str().parse().ok(),
            _ => None,
        };
        number
            .filter(|n: &Self| n.is_finite())
            .ok_or_else(|| Rule::new("phải là một số như 0.2", "a number such as 0.2"))
    }
}

impl Setting for ByteSize {
    fn read(value: &DeValue<'_>) -> Result<Self, Rule> {
        if let DeValue::Integer(_) = value {
            return u64::read(value).map(Self::new);
        }
        parsed(value, "phải là dung lượng như \"200MB\", \"64KiB\"")
    }
}

impl Setting for Span {
    fn read(value: &DeValue<'_>) -> Result<Self, Rule> {
        parsed(value, "phải là khoảng thời gian như \"30s\", \"15m\", \"7d\"")
    }
}

impl Setting for Network {
    fn read(value: &DeValue<'_>) -> Result<Self, Rule> {
        parsed(value, "phải là mạng dạng CIDR như \"10.20.0.0/16\"")
    }
}

impl Setting for HttpUrl {
    fn read(value: &DeValue<'_>) -> Result<Self, Rule> {
        parsed(value, "phải là địa chỉ http:// hoặc https:// không kèm mật khẩu")
    }
}

impl Setting for SocketAddr {
    fn read(value: &DeValue<'_>) -> Result<Self, Rule> {
        parsed(value, "phải là địa chỉ IP và cổng như \"127.0.0.1:8080\"")
    }
}

impl<T: Setting> Setting for Vec<T> {
    fn read(value: &DeValue<'_>) -> Result<Self, Rule> {
        let list = value.as_array().ok_or_else(|| Rule::new("phải là danh sách [ ]", "a list in [ ]"))?;
        list.iter().map(|item| T::read(item.get_ref())).collect()
    }
}

fn parsed<T: FromStr<Err: std::fmt::Display>>(value: &DeValue<'_>, vietnamese: &str) -> Result<T, Rule> {
    let text = value.as_str().ok_or_else(|| Rule::new(vietnamese, "a text in quotes"))?;
    text.parse().map_err(|cause: T::Err| Rule::new(vietnamese, cause.to_string()))
}
