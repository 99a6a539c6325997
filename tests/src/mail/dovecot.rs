//! Dovecot, twice: one checks accounts for Postfix, one keeps the mailboxes (LMTP in, Maildir on disk), so that the
//! mailboxes can be away while messages are still taken in.

use std::path::PathBuf;

use super::server::Server;
use super::{PASSWORD, Paths, USER, folder, run};

/// Where both write what happens, below the folder.
pub(super) const LOG: &str = "dovecot.log";
/// Where accounts are checked, below the folder.
pub(super) const ACCOUNTS_SOCKET: &str = "accounts/auth";
/// Where messages are handed in, below the folder.
pub(super) const STORE_SOCKET: &str = "store/lmtp";

const PROGRAM: &str = "/usr/sbin/dovecot";
/// The user whose files mailboxes are.
const OWNER: &str = "dovecot";

/// Settings and folders of both.
pub(super) fn lay_out(paths: &Paths) {
    folder(&paths.at("mailboxes"), 0o700, OWNER);
    paths.write("users", &format!("{USER}:{{PLAIN}}{PASSWORD}\n"));
    let ids: Vec<String> = ["-u", "-g"]
        .iter()
        .map(|which| run(std::process::Command::new("id").args([which, OWNER])).trim().to_owned())
        .collect();
    let common = |name: &str| {
        folder(&paths.at(name), 0o755, "root");
        format!(
            "base_dir = {base}\nstate_dir = {base}\nlog_path = {log}\nlisten = 127.0.0.1\nssl = no\nfirst_valid_uid = 1\n\
             service anvil {{\n  chroot =\n}}\nservice stats {{\n  chroot =\n}}\n",
            base = paths.text(name),
            log = paths.text(LOG),
        )
    };
    let accounts = format!(
        "{common}protocols =\nauth_mechanisms = plain login\ndisable_plaintext_auth = no\nauth_failure_delay = 0\n\
         passdb {{\n  driver = passwd-file\n  args = {users}\n}}\n\
         userdb {{\n  driver = static\n  args = uid={uid} gid={gid} home=/nonexistent\n}}\n\
         service auth {{\n  unix_listener auth {{\n    mode = 0666\n  }}\n}}\n",
        common = common("accounts"),
        users = paths.text("users"),
        uid = ids[0],
        gid = ids[1],
    );
    paths.write("accounts.conf", &accounts);
    let store = format!(
        "{common}protocols = lmtp\nmail_location = maildir:{mail}/%u\npostmaster_address = postmaster@{domain}\n\
         passdb {{\n  driver = static\n  args = nopassword=y\n}}\n\
         userdb {{\n  driver = static\n  args = uid={uid} gid={gid} home={mail}/%u allow_all_users=yes\n}}\n\
         service lmtp {{\n  unix_listener lmtp {{\n    mode = 0666\n  }}\n}}\n",
        common = common("store"),
        mail = paths.text("mailboxes"),
        domain = super::DOMAIN,
        uid = ids[0],
        gid = ids[1],
    );
    paths.write("store.conf", &store);
}

/// Starts the one that checks accounts.
pub(super) async fn start_accounts(paths: &Paths) -> Server {
    start(paths, "accounts.conf", ACCOUNTS_SOCKET).await
}

/// Starts the one that keeps mailboxes.
pub(super) async fn start_store(paths: &Paths) -> Server {
    start(paths, "store.conf", STORE_SOCKET).await
}

async fn start(paths: &Paths, settings: &str, socket: &str) -> Server {
    let mut server = Server::start(PROGRAM, &["-F", "-c", &paths.text(settings)], &paths.at(LOG));
    assert!(server.listens_at(&paths.at(socket)).await, "Dovecot does not start:\n{}", paths.log(LOG));
    server
}

/// The Maildir of a mailbox.
pub(super) fn mailbox(paths: &Paths, name: &str) -> PathBuf {
    paths.at("mailboxes").join(format!("{name}@{}", super::DOMAIN))
}
