//! A stage whose first agency has the SDK built in.

use acceptance::Stage;
use acceptance::sdk_client::SdkClient;
use lienthong::demo::world::AGENCIES;

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
