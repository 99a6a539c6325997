//! Packets made to cost much: each is refused with its own code, and for what is wrong with it. What each takes in
//! memory is in `memory.rs`, what in time `./bench schemas` shows.

use super::made::bombs::BOMBS;
use super::read;

#[test]
fn every_bomb_is_refused_with_its_own_code() {
    for bomb in BOMBS {
        let packet = (bomb.make)();
        assert!(packet.len() > 9 << 20, "{} has only {} bytes", bomb.name, packet.len());
        let rejection = read(&packet).map(drop).expect_err(bomb.name);
        assert_eq!(rejection.code.row().name, bomb.code, "{}: {rejection}", bomb.name);
        assert_eq!(rejection.field.as_deref().unwrap_or_default(), bomb.field, "{}: {rejection}", bomb.name);
        assert!(rejection.also.is_empty(), "{}: {rejection}", bomb.name);
    }
}
