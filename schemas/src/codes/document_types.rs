//! The rows of the lists of document types. Source: QCVN 102:2016/BTTTT amended by SĐ 1:2022, annex (legal 1 to 13;
//! administrative 1 to 9 and 18 to 26). The rest of the administrative list follows the order of Thông tư
//! 01/2011/TT-BNV, which fits every row that was read. NĐ 30/2020/NĐ-CP article 7 has the 29 types of today.

use super::Certainty::{self, Act, Inferred};
use super::document_type::{DocumentType, TypeGroup};

const fn row(
    group: TypeGroup,
    detail: Option<u8>,
    vi: &'static str,
    en: &'static str,
    in_decree_30: bool,
    certainty: Certainty,
) -> DocumentType {
    DocumentType { group, detail, vi, en, in_decree_30, certainty }
}

const fn legal(detail: u8, vi: &'static str, en: &'static str) -> DocumentType {
    row(TypeGroup::Legal, Some(detail), vi, en, false, Act)
}

const fn admin(detail: u8, vi: &'static str, en: &'static str, in_30: bool, c: Certainty) -> DocumentType {
    row(TypeGroup::Administrative, Some(detail), vi, en, in_30, c)
}

pub(super) const ALL: [DocumentType; 46] = [
    legal(1, "Hiến pháp", "constitution"),
    legal(2, "Luật", "law"),
    legal(3, "Pháp lệnh", "ordinance"),
    legal(4, "Lệnh", "order"),
    legal(5, "Nghị quyết", "resolution"),
    legal(6, "Nghị quyết liên tịch", "joint resolution"),
    legal(7, "Nghị định", "decree"),
    legal(8, "Quyết định", "decision"),
    legal(9, "Thông tư", "circular"),
    legal(10, "Thông tư liên tịch", "joint circular"),
    legal(11, "Chỉ thị (của Ủy ban nhân dân)", "directive of a People's Committee"),
    legal(12, "Bộ luật", "code of law"),
    legal(
        13,
        "Văn bản quy phạm pháp luật (của chính quyền địa phương ở đơn vị hành chính - kinh tế đặc biệt)",
        "legal document of the authority of a special administrative-economic unit",
    ),
    admin(1, "Nghị quyết (cá biệt)", "resolution in a single case", true, Act),
    admin(2, "Quyết định (cá biệt)", "decision in a single case", true, Act),
    admin(3, "Chỉ thị (cá biệt)", "directive in a single case", true, Act),
    admin(4, "Quy chế", "regulation", true, Act),
    admin(5, "Quy định", "rules", true, Act),
    admin(6, "Thông cáo", "communiqué", true, Act),
    admin(7, "Thông báo", "notice", true, Act),
    admin(8, "Hướng dẫn", "guidance", true, Act),
    admin(9, "Chương trình", "programme", true, Act),
    admin(10, "Kế hoạch", "plan", true, Inferred),
    admin(11, "Phương án", "scheme", true, Inferred),
    admin(12, "Đề án", "proposal", true, Inferred),
    admin(13, "Dự án", "project", true, Inferred),
    admin(14, "Báo cáo", "report", true, Inferred),
    admin(15, "Biên bản", "minutes", true, Inferred),
    admin(16, "Tờ trình", "submission", true, Inferred),
    admin(17, "Hợp đồng", "contract", true, Inferred),
    admin(18, "Công văn", "official letter", true, Act),
    admin(19, "Công điện", "official telegram", true, Act),
    admin(20, "Bản ghi nhớ", "memorandum", true, Act),
    admin(21, "Bản cam kết", "commitment", false, Act),
    admin(22, "Bản thỏa thuận", "agreement", true, Act),
    admin(23, "Giấy chứng nhận", "certificate", false, Act),
    admin(24, "Giấy ủy quyền", "letter of authority", true, Act),
    admin(25, "Giấy mời", "invitation", true, Act),
    admin(26, "Giấy giới thiệu", "letter of introduction", true, Act),
    admin(27, "Giấy nghỉ phép", "leave permit", true, Inferred),
    admin(28, "Giấy đi đường", "travel order", false, Inferred),
    admin(29, "Giấy biên nhận hồ sơ", "receipt for a file", false, Inferred),
    admin(30, "Phiếu gửi", "sending slip", true, Inferred),
    admin(31, "Phiếu chuyển", "forwarding slip", true, Inferred),
    admin(32, "Thư công", "official courtesy letter", true, Inferred),
    // NĐ 30/2020 has it; the lists of the packet format give it no number.
    row(TypeGroup::Administrative, None, "Phiếu báo", "advice slip", true, Act),
];
