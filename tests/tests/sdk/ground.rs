//! A stage whose first agency has the SDK built in.

use acceptance::Stage;
use acceptance::sdk_client::SdkClient;
use lienthong::demo::world::AGENCIES;
use lienthong_schemas::edxml::{StatusCode, StatusContact, StatusPacket, StatusSender, StatusSubject};
use lienthong_schemas::organ::OrganId;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_lienthong-under-test");
pub(crate) const SYSTEM_ID: &str = "demo.sys.01";
pub(crate) const SECRET: &str = "made-up-secret-key";
/// The one that the system is changing to.
pub(crate) const NEXT_SECRET: &str = "another-made-up-secret-key";

/// A stage of which agency 0 sends over the SDK, with these lines besides.
pub(crate) async fn stage(more: &str) -> Stage {
    let stage = Stage::open(PROGRAM, &[]).await;
    let folder = &stage.world.folder;
    std::fs::write(folder.join("sdk.secret"), SECRET).expect("written");
    std::fs::write(folder.join("sdk.next"), NEXT_SECRET).expect("written");
    let text = std::fs::read_to_string(&stage.world.config).expect("the settings");
    let sdk = format!(
        "\n[systems.{}.sdk]\nsystem_id = \"{SYSTEM_ID}\"\nsecret_file = \"sdk.secret\"\n\
         secret_next_file = \"sdk.next\"\nmailbox = false\n{more}",
        AGENCIES[0].system
    );
    std::fs::write(&stage.world.config, text + &sdk).expect("written");
    stage
}

/// A service object of agency 0.
pub(crate) fn client(stage: &Stage) -> SdkClient {
    SdkClient::new(&stage.world.public, "/sdk", SYSTEM_ID, SECRET)
}

const RECEIVER_ID: &str = "demo.sys.02";
/// The group in which agency 1's system may register organisations.
pub(crate) const SCOPE: &str = "H55.40";

/// The same, and agency 1 takes its packets from a mailbox.
pub(crate) async fn stage_with_mailbox() -> Stage {
    let stage = stage("").await;
    let (before, after) = without_way_in(&stage, 1);
    let system = AGENCIES[1].system;
    let mailbox = format!(
        "[systems.{system}.sdk]\nsystem_id = \"{RECEIVER_ID}\"\nsecret_file = \"sdk.secret\"\n\
                 register_agencies = [\"{SCOPE}\"]\n\n"
    );
    std::fs::write(&stage.world.config, format!("{before}{mailbox}{after}")).expect("written");
    stage
}

/// The same, and agency 0 takes its packets from a mailbox, too.
pub(crate) async fn stage_with_mailboxes() -> Stage {
    let stage = stage_with_mailbox().await;
    let (before, after) = without_way_in(&stage, 0);
    let text = format!("{before}{after}").replacen("mailbox = false\n", "", 1);
    std::fs::write(&stage.world.config, text).expect("written");
    stage
}

/// The settings before and behind the way in of an agency's system.
fn without_way_in(stage: &Stage, agency: usize) -> (String, String) {
    let text = std::fs::read_to_string(&stage.world.config).expect("the settings");
    let begin = format!("[systems.{}.vendor_http]\n", AGENCIES[agency].system);
    let (before, rest) = text.split_once(&begin).expect("its way in");
    let after = rest.split_once("\n[").map(|(_, after)| format!("[{after}")).expect("more sections");
    (before.to_owned(), after)
}

/// A service object of agency 1.
pub(crate) fn receiver(stage: &Stage) -> SdkClient {
    SdkClient::new(&stage.world.public, "/sdk", RECEIVER_ID, SECRET)
}

/// An 01 of `from` to `to` about a document.
pub(crate) fn status_of(from: &str, to: &str, document_id: &str) -> String {
    word_of(from, to, document_id, StatusCode::Arrived)
}

/// The same of any code.
pub(crate) fn word_of(from: &str, to: &str, document_id: &str, code: StatusCode) -> String {
    let organ = |code: &str| OrganId::parse(code).expect("a code");
    let packet = StatusPacket {
        from: StatusSender {
            organ_id: organ(from),
            organization_in_charge: String::new(),
            organ_name: String::new(),
            contact: StatusContact::default(),
        },
        response_for: StatusSubject {
            organ_id: organ(to),
            code: String::new(),
            document_id: document_id.to_owned(),
            promulgation_date: String::new(),
        },
        staff: None,
        code,
        description: String::new(),
        timestamp: "2026-01-05T03:04:05Z".parse().expect("a time"),
    };
    String::from_utf8(packet.to_xml()).expect("UTF-8")
}
