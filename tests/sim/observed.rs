//! Where the hub sees a node.

use hubbub_shared::time::Millis;
use hubbub_shared::wire::from_hub::Observed;
use hubbub_shared::wire::{ByteBuf, FromHub};
use hubbub_tests::world::{World, address};

#[test]
fn a_node_hears_where_the_hub_sees_it_on_every_link_and_when_it_moves() {
    let mut world = World::new(21, &["alice", "bob"]);
    assert_eq!(world.devices[1].observed, [address(1)]);
    let elsewhere = "[2001:db8::7]:9".parse().unwrap();
    world.move_to(1, elsewhere);
    world.run(Millis::secs(1));
    world.disconnect(1);
    world.connect(1);
    world.run(Millis::secs(1));
    assert_eq!(world.devices[1].observed, [address(1), elsewhere, address(1)]);
    assert_eq!(world.devices[0].observed, [address(0)]);
}

#[test]
fn an_address_that_names_nobody_is_counted_and_goes_no_further() {
    let mut world = World::new(22, &["alice"]);
    for bytes in [&[][..], &[127, 0, 0, 1], &[127, 0, 0, 1, 0, 0], &[0; 6], &[7; 17]] {
        let address = ByteBuf::from(bytes.to_vec());
        world.tamper = Some(Box::new(move |_, frame| match frame {
            FromHub::Observed(_) => vec![FromHub::Observed(Observed { address: address.clone() })],
            other => vec![other],
        }));
        world.disconnect(0);
        world.connect(0);
        world.run(Millis::secs(1));
    }
    assert_eq!(world.devices[0].observed, [address(0)]);
    let refused = world.engine(0).status().refused;
    assert!(refused.contains(&("malformed".to_owned(), 5)), "{refused:?}");
}
