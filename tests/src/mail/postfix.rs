//! Postfix: submission over implicit TLS and with STARTTLS, for one account; what it takes goes to Dovecot by LMTP, and
//! nowhere else.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;

use super::server::Server;
use super::{DOMAIN, MESSAGE_BYTES_MAX, Paths, certificate, dovecot, folder, run};

/// Where it writes what happens, below the folder.
pub(super) const LOG: &str = "postfix.log";

/// Answers to RCPT that a test wants, below the folder.
const ANSWERS: &str = "postfix/answers";

/// Its folders, with mode and owner as its own set-up makes them.
const QUEUE: [(&str, u32, &str); 14] = [
    ("", 0o755, "root"),
    ("active", 0o700, "postfix"),
    ("bounce", 0o700, "postfix"),
    ("corrupt", 0o700, "postfix"),
    ("defer", 0o700, "postfix"),
    ("deferred", 0o700, "postfix"),
    ("flush", 0o700, "postfix"),
    ("hold", 0o700, "postfix"),
    ("incoming", 0o700, "postfix"),
    ("maildrop", 0o1730, "postfix:postdrop"),
    ("pid", 0o755, "root"),
    ("private", 0o700, "postfix"),
    ("public", 0o2710, "postfix:postdrop"),
    ("saved", 0o700, "postfix"),
];

/// Where it listens.
pub(super) struct Ports {
    pub(super) tls: u16,
    pub(super) starttls: u16,
}

impl Ports {
    /// Two that nobody has now.
    pub(super) fn free() -> Self {
        let listener = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = |listener: &TcpListener| listener.local_addr().expect("its address").port();
        let (one, two) = (listener(), listener());
        Self { tls: port(&one), starttls: port(&two) }
    }

    pub(super) fn all(&self) -> [SocketAddr; 2] {
        [self.tls, self.starttls].map(|port| (Ipv4Addr::LOCALHOST, port).into())
    }
}

/// Settings and folders.
pub(super) fn lay_out(paths: &Paths, ports: &Ports, mailboxes: &[&str]) {
    folder(&paths.at("postfix"), 0o755, "root");
    folder(&paths.at("postfix/data"), 0o700, "postfix");
    for (name, mode, owner) in QUEUE {
        folder(&paths.at("queue").join(name), mode, owner);
    }
    paths.write("postfix/main.cf", &main_cf(paths, mailboxes));
    paths.write("postfix/master.cf", &master_cf(ports));
    write_answers(paths, &BTreeMap::new());
}

/// What is answered at RCPT for a mailbox, whatever else would be. Each connection has a process of its own, so that none
/// answers by an older table.
pub(super) fn write_answers(paths: &Paths, answers: &BTreeMap<String, String>) {
    let lines: Vec<String> =
        answers.iter().map(|(mailbox, answer)| format!("{mailbox}@{DOMAIN} {answer}\n")).collect();
    paths.write(ANSWERS, &lines.concat());
    run(Command::new("postmap")
        .arg("-c")
        .arg(paths.at("postfix"))
        .arg(format!("hash:{}", paths.text(ANSWERS))));
}

/// Starts it.
pub(super) fn start(paths: &Paths) -> Server {
    Server::start("/usr/lib/postfix/sbin/master", &["-d", "-c", &paths.text("postfix")], &paths.at(LOG))
}

/// How many messages it has taken and not passed on.
pub(super) fn queued(paths: &Paths) -> usize {
    let listed = run(Command::new("postqueue").arg("-c").arg(paths.at("postfix")).arg("-j"));
    listed.lines().count()
}

fn main_cf(paths: &Paths, mailboxes: &[&str]) -> String {
    let known: Vec<String> = mailboxes.iter().map(|name| format!("{name}@{DOMAIN}=yes")).collect();
    format!(
        "compatibility_level = 3.6\n\
         queue_directory = {queue}\ndata_directory = {data}\nmaillog_file = {log}\nmaillog_file_prefixes = {folder}\n\
         command_directory = /usr/sbin\ndaemon_directory = /usr/lib/postfix/sbin\nshlib_directory = /usr/lib/postfix\n\
         meta_directory = /etc/postfix\nmail_owner = postfix\nsetgid_group = postdrop\n\
         inet_interfaces = loopback-only\ninet_protocols = ipv4\nmyhostname = thu.{DOMAIN}\n\
         mydestination =\nlocal_recipient_maps =\nalias_maps =\nalias_database =\nmynetworks =\nrelay_domains =\n\
         local_transport = error:nobody is local\ndefault_transport = error:nothing leaves this test\n\
         disable_dns_lookups = yes\nsmtp_host_lookup = native\n\
         virtual_mailbox_domains = {DOMAIN}\nvirtual_mailbox_maps = inline:{{ {known} }}\n\
         virtual_transport = lmtp:unix:{store}\n\
         smtpd_relay_restrictions = permit_sasl_authenticated, reject\n\
         smtpd_recipient_restrictions = check_recipient_access hash:{answers}\n\
         smtpd_tls_chain_files = {key}, {certificate}\nsmtpd_tls_auth_only = yes\n\
         smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = dovecot\nsmtpd_sasl_path = {accounts}\n\
         smtpd_error_sleep_time = 0\nsmtpd_delay_reject = yes\n\
         message_size_limit = {MESSAGE_BYTES_MAX}\nmailbox_size_limit = 0\nvirtual_mailbox_limit = 0\n\
         minimal_backoff_time = 1s\nmaximal_backoff_time = 2s\nqueue_run_delay = 1s\n",
        queue = paths.text("queue"),
        data = paths.text("postfix/data"),
        log = paths.text(LOG),
        folder = paths.text(""),
        known = known.join(", "),
        store = paths.text(dovecot::STORE_SOCKET),
        answers = paths.text(ANSWERS),
        key = paths.text(certificate::KEY),
        certificate = paths.text(certificate::CERTIFICATE),
        accounts = paths.text(dovecot::ACCOUNTS_SOCKET),
    )
}

fn master_cf(ports: &Ports) -> String {
    format!(
        "127.0.0.1:{} inet n - n - - smtpd\n  -o smtpd_tls_wrappermode=yes\n  -o max_use=1\n\
         127.0.0.1:{} inet n - n - - smtpd\n  -o smtpd_tls_security_level=encrypt\n  -o max_use=1\n\
         pickup unix n - n 60 1 pickup\ncleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\n\
         tlsmgr unix - - n 1000? 1 tlsmgr\nrewrite unix - - n - - trivial-rewrite\n\
         bounce unix - - n - 0 bounce\ndefer unix - - n - 0 bounce\ntrace unix - - n - 0 bounce\n\
         proxymap unix - - n - - proxymap\nlmtp unix - - n - - lmtp\nerror unix - - n - - error\n\
         retry unix - - n - - error\nshowq unix n - n - - showq\nanvil unix - - n - 1 anvil\n\
         postlog unix-dgram n - n - 1 postlogd\n",
        ports.tls, ports.starttls
    )
}
