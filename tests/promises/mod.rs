//! The ten promises, each told by a story of its name. Two are told elsewhere, with what belongs to them:
//! `throttle::throttles_are_exact_in_every_sliding_window_under_any_concurrency` and
//! `slow::one_slow_or_dead_recipient_harms_nobody_not_even_forty_of_them`.

mod durability;
mod order;
mod removal;
mod stores;

pub(crate) use durability::user_handled_twice;
