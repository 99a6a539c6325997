//! Addresses of vendors' systems: `http` and `https` URLs (RFC 3986) in the narrow form that settings need.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Longest URL taken, in bytes.
const URL_BYTES_MAX: usize = 2048;

/// An `http` or `https` URL without user name and fragment: printable ASCII, a host, perhaps a port, path and query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpUrl {
    text: String,
    host: String,
    https: bool,
}

/// Why a text is not such a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpUrlFault {
    /// Neither `http://` nor `https://`.
    #[error("the address begins with neither http:// nor https://")]
    Scheme,
    /// Blank, control character, backslash, non-ASCII letter, or too long.
    #[error("the address has a character that URLs do not have, or is longer than {URL_BYTES_MAX} bytes")]
    Character,
    /// `user:password@host`: secrets have their own key.
    #[error("the address carries a user name or password")]
    UserInfo,
    /// A `#` part, which is never sent.
    #[error("the address has a fragment")]
    Fragment,
    /// No host, or not one.
    #[error("the address has no usable host")]
    Host,
    /// Not a port from 1 to 65535.
    #[error("the address has no usable port")]
    Port,
}

impl HttpUrl {
    /// The URL as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host: a name, an IPv4 address, or an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether the connection is encrypted.
    pub const fn is_https(&self) -> bool {
        self.https
    }

    /// Whether the host is an address of this machine, or `localhost` (RFC 6761 section 6.3).
    pub fn is_loopback(&self) -> bool {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        bare.eq_ignore_ascii_case("localhost")
            || bare.parse().is_ok_and(|address: IpAddr| address.to_canonical().is_loopback())
    }
}

impl FromStr for HttpUrl {
    type Err = HttpUrlFault;

    fn from_str(text: &str) -> Result<Self, HttpUrlFault> {
        let scheme =
            |name: &str| text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        let (https, rest) = match () {
            () if scheme("https://") => (true, &text[8..]),
            () if scheme("http://") => (false, &text[7..]),
            () => return Err(HttpUrlFault::Scheme),
        };
        let fits = |b: u8| {
            b.is_ascii_graphic()
                && !matches!(b, b'\\' | b'"' | b'<' | b'>' | b'`' | b'{' | b'}' | b'|' | b'^')
        };
        if text.len() > URL_BYTES_MAX || !text.bytes().all(fits) {
            return Err(HttpUrlFault::Character);
        }
        if rest.contains('#') {
            return Err(HttpUrlFault::Fragment);
        }
        let authority = rest.split(['/', '?']).next().unwrap_or(rest);
        if authority.contains('@') {
            return Err(HttpUrlFault::UserInfo);
        }
        let host = host(authority)?;
        Ok(Self { text: text.to_owned(), host: host.to_owned(), https })
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The host of an authority, its port checked.
fn host(authority: &str) -> Result<&str, HttpUrlFault> {
    let (host, port) = match authority.find(']') {
        Some(end) => {
            let (host, rest) = authority.split_at(end + 1);
            let inner = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).ok_or(HttpUrlFault::Host)?;
            inner.parse::<std::net::Ipv6Addr>().map_err(|_| HttpUrlFault::Host)?;
            (
                host,
                if rest.is_empty() { None } else { Some(rest.strip_prefix(':').ok_or(HttpUrlFault::Port)?) },
            )
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if host.is_empty() || !(host.starts_with('[') || host.bytes().all(name)) {
        return Err(HttpUrlFault::Host);
    }
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    match port {
        Some(port) if !digits(port) || port.parse::<u16>().is_ok_and(|p| p == 0) => Err(HttpUrlFault::Port),
        Some(port) if port.parse::<u16>().is_err() => Err(HttpUrlFault::Port),
        _ => Ok(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        for (text, host, https, loopback) in [
            ("https://qlvb.example.vn/edoc?x=1", "qlvb.example.vn", true, false),
            ("HTTP://127.0.0.1:8099", "127.0.0.1", false, true),
            ("http://[::1]:80/a@b", "[::1]", false, true),
            ("http://localhost/", "localhost", false, true),
            ("http://localhost.example.vn/", "localhost.example.vn", false, false),
            ("https://h:65535", "h", true, false),
        ] {
            let url: HttpUrl = text.parse().expect(text);
            assert_eq!((url.as_str(), url.host()), (text, host));
            assert_eq!((url.is_https(), url.is_loopback()), (https, loopback), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for (text, fault) in [
            ("", HttpUrlFault::Scheme),
            ("ftp://h/", HttpUrlFault::Scheme),
            ("https:/h", HttpUrlFault::Scheme),
            ("https://", HttpUrlFault::Host),
            ("https:///x", HttpUrlFault::Host),
            ("https://u:p@h/", HttpUrlFault::UserInfo),
            ("https://h/#x", HttpUrlFault::Fragment),
            ("https://h /", HttpUrlFault::Character),
            ("https://h\\@evil/", HttpUrlFault::Character),
            ("https://h\r\n/", HttpUrlFault::Character),
            ("https://đ.vn/", HttpUrlFault::Character),
            ("https://h:0/", HttpUrlFault::Port),
            ("https://h:65536/", HttpUrlFault::Port),
            ("https://h:/", HttpUrlFault::Port),
            ("https://[::1]x/", HttpUrlFault::Port),
            ("https://[::g]/", HttpUrlFault::Host),
            ("https://::1]/", HttpUrlFault::Host),
        ] {
            assert_eq!(text.parse::<HttpUrl>(), Err(fault), "{text:?}");
        }
        let long = |bytes: usize| format!("https://h/{}", "a".repeat(bytes - 10));
        assert!(long(URL_BYTES_MAX).parse::<HttpUrl>().is_ok());
        assert_eq!(long(URL_BYTES_MAX + 1).parse::<HttpUrl>(), Err(HttpUrlFault::Character));
    }
}
