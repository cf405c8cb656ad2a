//! What anybody may send to `/events`: no bytes make the parser panic or overflow, and what it takes is in bounds and survives
//! being written to disk.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../src/listen/delivery.rs"]
#[expect(dead_code, reason = "the rest is for the program")]
mod delivery;

use delivery::{Delivery, Event};

fuzz_target!(|bytes: &[u8]| {
    let Ok(Delivery::Events(events)) = delivery::read(bytes) else { return };
    assert!(events.len() <= 500);
    for event in events {
        assert!(!event.id.is_empty() && event.id.len() <= 256 && !event.id.contains(char::is_control));
        for path in [&event.fragment, &event.model].into_iter().flatten() {
            assert!(!path.is_empty() && path.len() <= 2048 && !path.contains(char::is_control));
        }
        let kept = serde_json::to_vec(&event).expect("an event is JSON");
        assert!(!kept.contains(&b'\n'), "an event is a line");
        let back: Event = serde_json::from_slice(&kept).expect("what was kept reads back");
        assert_eq!(back, Event { recipient: None, ..event });
    }
});
