//! `docs/findings.md` is what the list renders to.

use std::path::Path;

use lienthong_schemas::edxml::render_findings;

#[test]
fn the_page_on_findings_says_what_the_list_says() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/findings.md");
    let rendered = render_findings();
    if std::env::var_os("RENDER").is_some() {
        std::fs::write(&file, &rendered).expect("docs/findings.md is writable");
    }
    let page = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        page == rendered,
        "docs/findings.md is not what the list says; make it again with \
         RENDER=1 cargo test -p lienthong-schemas --test findings_page"
    );
}
