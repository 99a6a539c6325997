//! Who takes part in the demo: five agencies reached in three ways, one that gets paper and one that is closed. All of
//! them are made up. Their peers are opened here, and the files written by which the gateway knows them.

use std::path::Path;
use std::sync::Arc;

use super::axis::Axis;
use super::mailbox::{Account, Mailbox};
use super::pki::peer_tls;
use super::program::run;
use super::world::{Agency, Beside, Wishes, World, random_hex, write};
use crate::cli::CommandFault;

/// The agencies with a system of their own: A, which sends, and B.
pub(super) const VENDORS: [Agency; 2] = [
    Agency { code: "H55", name: "UBND tỉnh Mây Ngàn (hư cấu)", system: "qlvb-tinh" },
    Agency { code: "H55.15", name: "Sở Đường sông tỉnh Mây Ngàn (hư cấu)", system: "qlvb-so" },
];

/// How an agency gets its packets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// By the system of the vendor at this place.
    Vendor(usize),
    /// By a clerk's mailbox.
    Mail,
    /// By the Government Office axis.
    Axis,
}

/// An agency that gets packets.
pub(super) struct Party {
    /// Its letter in the story.
    pub(super) letter: char,
    /// Organisation code.
    pub(super) code: &'static str,
    /// Name.
    pub(super) name: &'static str,
    /// How it is reached.
    pub(super) way: Way,
}

impl Party {
    /// The transport state in which a delivery to it ends well (design.md B6).
    pub(super) const fn end(&self) -> &'static str {
        match self.way {
            Way::Vendor(_) => "received",
            Way::Mail | Way::Axis => "handed_over",
        }
    }

    /// As the story names it.
    pub(super) fn shown(&self) -> String {
        format!("{} ({})", self.letter, self.code)
    }
}

/// Everybody, A to E.
pub(super) const PARTIES: [Party; 5] = [
    Party { letter: 'A', code: VENDORS[0].code, name: VENDORS[0].name, way: Way::Vendor(0) },
    Party { letter: 'B', code: VENDORS[1].code, name: VENDORS[1].name, way: Way::Vendor(1) },
    Party { letter: 'C', code: "H55.21.7", name: "UBND xã Suối Trong (hư cấu)", way: Way::Mail },
    Party { letter: 'D', code: "G91", name: "Ủy ban Sông hồ (hư cấu)", way: Way::Axis },
    Party {
        letter: 'E', code: "H91.02", name: "Sở Khí tượng tỉnh Đá Trắng (hư cấu)", way: Way::Axis
    },
];
/// Places in [`PARTIES`].
pub(super) const A: usize = 0;
/// The other vendor's system.
pub(super) const B: usize = 1;
/// The mailbox.
pub(super) const C: usize = 2;
/// Behind the axis.
pub(super) const D: usize = 3;
/// Behind the axis too.
pub(super) const E: usize = 4;

/// Code of an organisation that gets paper.
pub(super) const PAPER: &str = "H55.90";
/// Code of an organisation that is closed; B has taken over.
pub(super) const CLOSED: &str = "H55.14";

/// The systemid that the axis gave the gateway.
const SYSTEM_ID: &str = "mayngan.truc.01";
/// Where the settings keep the axis's secret.
const SECRET_PLACE: &str = "axes.vpcp.secret";

/// The world of the demo and its peers.
pub(super) struct Cast {
    pub(super) world: World,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) axis: Arc<Axis>,
}

impl Cast {
    /// Opens the peers and writes every file, in `folder`. `program` seals the axis's secret.
    pub(super) async fn gather(folder: &Path, program: &Path) -> Result<Self, CommandFault> {
        let account = Account {
            user: "truc-lien-thong".to_owned(),
            password: random_hex(),
            sender: "truc@mayngan.example.vn".to_owned(),
            mailbox: "van-thu@suoitrong.example.vn".to_owned(),
        };
        let tls = peer_tls(&folder.join("mail-ca.pem"), "127.0.0.1")?;
        let mailbox = Mailbox::open(account, tls, &folder.join("mailbox")).await;
        let mailbox = mailbox.map_err(|cause| CommandFault::at("mailbox", cause))?;
        let secret = random_hex();
        let axis = Axis::open(SYSTEM_ID, secret.as_bytes(), &folder.join("axis")).await;
        let axis = axis.map_err(|cause| CommandFault::at("axis", cause))?;
        let master_key = folder.join("master-key");
        let sealed = seal(program, &master_key, &secret)?;
        let wishes = Wishes {
            settings: vec![
                ("gateway", format!("master_key_file = \"{}\"", master_key.display())),
                ("delivery", "retry_first = \"500ms\"".to_owned()),
            ],
            ..Wishes::default()
        };
        let beside = Beside {
            settings: mail_settings(&mailbox)
                + &axis_settings(&axis, &sealed)
                + &own_settings()
                // The first scene shows that a revocation does not overtake.
                + "\n[recall]\nundelivered = \"deliver\"\n",
            directory: directory(&mailbox),
        };
        let world = World::make_of(&VENDORS, folder, &wishes, &beside).await?;
        Ok(Self { world, mailbox, axis })
    }

    /// What peers had to complain of.
    pub(super) fn complaints(&self) -> Vec<String> {
        let vendors = self.world.receivers.iter().flat_map(|receiver| receiver.complaints());
        vendors.chain(self.mailbox.complaints()).chain(self.axis.complaints()).collect()
    }
}

/// As an operator would: a master key of our own, and the secret sealed by it for its place.
fn seal(program: &Path, master_key: &Path, secret: &str) -> Result<String, CommandFault> {
    write(master_key, run(program, &["secret", "key"], "")?.as_bytes())?;
    let file = master_key.display().to_string();
    let arguments = ["secret", "seal", "--place", SECRET_PLACE, "--master-key-file", &file];
    Ok(run(program, &arguments, secret)?.trim().to_owned())
}

fn mail_settings(mailbox: &Mailbox) -> String {
    let (account, address) = (mailbox.account(), mailbox.address());
    format!(
        "\n[systems.thu-xa]\nname = \"Thư công vụ xã (hư cấu)\"\n\n[systems.thu-xa.email]\nhost = \"{}\"\nport = {}\n\
         security = \"starttls\"\nuser = \"{}\"\npassword = \"{}\"\nfrom = \"{}\"\nca = \"{}\"\n",
        address.ip(),
        address.port(),
        account.user,
        account.password,
        account.sender,
        mailbox.ca().display(),
    )
}

fn axis_settings(axis: &Axis, sealed: &str) -> String {
    format!(
        "\n[axes.vpcp]\nname = \"Trục liên thông VPCP (giả lập)\"\nurl = \"{}\"\nsystem_id = \"{}\"\n\
         secret_sealed = \"{sealed}\"\nto_header = \"send\"\n",
        axis.url(),
        axis.system_id(),
    )
}

/// Whoever runs the demo operates its gateway; and a demo must run on a small disk too.
fn own_settings() -> String {
    let uid = rustix::process::geteuid().as_raw();
    format!(
        "\n[operators.van-hanh]\nuid = {uid}\nrole = \"operator\"\n\n[spool]\ndisk_free_min = \"300MB\"\n"
    )
}

fn directory(mailbox: &Mailbox) -> String {
    let mut text = String::new();
    for party in &PARTIES {
        let home = match party.way {
            Way::Vendor(_) => continue,
            Way::Mail => {
                let mailbox = &mailbox.account().mailbox;
                format!("home = {{ system = \"thu-xa\" }}\nadapter = {{ mailbox = \"{mailbox}\" }}")
            }
            Way::Axis => "home = { axis = \"vpcp\" }".to_owned(),
        };
        text += &entry(party.code, party.name, &home);
    }
    text += &entry(PAPER, "Hội Người cao tuổi xã Suối Trong (hư cấu)", "reach = \"paper\"");
    let closed = format!("valid_to = \"2025-02-28\"\nsuccessors = [\"{}\"]", PARTIES[B].code);
    text + &entry(CLOSED, "Sở Đò ngang tỉnh Mây Ngàn (hư cấu)", &closed)
}

fn entry(code: &str, name: &str, more: &str) -> String {
    format!("[[organisation]]\norgan_id = \"{code}\"\nname = \"{name}\"\n{more}\n\n")
}
