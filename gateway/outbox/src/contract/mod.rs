//! The suite that every `OutboxStore` passes: each line of the trait's documentation as a test.
//!
//! `store_contract!(open)` makes one `#[tokio::test]` of each check. `open` is called once a test, with no arguments; it
//! returns something to keep until the test ends (a folder) and a new, empty store that reads [`samples::clock`].

mod admitting;
mod adopting;
mod beyond;
mod concurrency;
mod dispatching;
mod following;
mod indexing;
mod leasing;
mod listing;
mod moving;
mod offering;
mod remembering;
mod rerouting;
mod settling;
mod withdrawing;

pub mod samples;

pub use admitting::*;
pub use adopting::*;
pub use beyond::*;
pub use concurrency::*;
pub use dispatching::*;
pub use following::*;
pub use indexing::*;
pub use leasing::*;
pub use listing::*;
pub use moving::*;
pub use offering::*;
pub use remembering::*;
pub use rerouting::*;
pub use settling::*;
pub use withdrawing::*;

/// Makes a test of each check. See the module.
#[macro_export]
macro_rules! store_contract {
    ($open:expr) => {
        $crate::store_contract! { @checks $open;
            a_document_is_inserted_once_and_nothing_of_it_changes
            the_store_gives_the_order
            what_is_unfit_is_refused_whole
            a_final_delivery_is_only_a_record
            a_parked_delivery_is_held_back_until_it_is_requeued
            five_thousand_receivers_go_in_one_admission
            unknown_ids_are_none
            documents_are_known_by_their_name
            a_document_is_met_with_its_deliveries_and_namesakes
            of_one_name_the_newest_thousand_are_known
            a_status_key_stays_with_its_first_document
            an_idempotency_key_counts_until_its_time
            a_remembered_key_stands_for_an_earlier_document
            states_move_with_the_admission
            of_several_moves_the_highest_number_holds
            of_moves_of_one_number_the_later_holds
            ten_thousand_moves_go_in_one_admission
            documents_are_known_by_their_code
            history_keeps_the_newest_fifty_lines
            a_long_note_is_cut
            every_step_is_one_event
            events_wait_until_they_are_sent
            stats_follow_every_step
            unpublished_is_urgent_first_and_then_by_order
            published_counts_only_for_its_generation
            what_nobody_takes_over_is_found_by_its_publication
            what_nobody_takes_over_is_published_anew
            a_delivery_is_handed_off_once
            a_settled_delivery_is_not_handed_off
            a_foreign_delivery_is_taken_in
            a_newer_generation_is_taken_again
            heads_are_by_adapter_receiver_lane_and_order
            what_is_on_its_way_is_found_in_its_lane
            the_first_of_a_correlation_is_of_either_lane
            what_shares_a_key_is_found_one_behind_the_other
            an_attempt_begins_once_in_a_life
            an_attempt_ends_with_its_outcome
            an_attempt_of_another_life_is_void
            a_pause_has_a_beginning_and_an_end
            a_mailbox_lists_urgent_first_and_then_in_order
            a_receiver_says_what_becomes_of_what_it_is_offered
            what_a_receiver_cannot_take_is_parked_in_the_end
            what_a_lease_moves_goes_on_in_the_next_generation
            who_took_a_delivery_over_is_noted
            an_outcome_elsewhere_is_one_here
            only_the_newest_generation_is_followed
            an_end_is_said_again_to_who_does_not_know_it
            an_adopted_document_is_one_of_ours
            what_is_over_of_an_adopted_document_is_told_once
            what_is_here_of_an_adopted_document_becomes_ours
            what_is_here_of_an_adopted_document_is_sent_again_beyond_all_others
            five_thousand_receivers_are_adopted
            what_an_axis_took_is_asked_about_in_the_order_of_its_time
            what_an_axis_says_is_written_once_and_done_is_received
            lists_have_their_order_and_their_limits
            a_page_goes_on_although_what_it_began_after_is_gone
            a_dead_letter_is_closed_once_and_until_it_is_requeued
            what_is_given_up_and_closed_is_still_reported
            a_newer_generation_is_not_closed
            only_what_waits_for_its_attempt_is_hastened
            receivers_behind_an_axis_share_a_queue
            an_admission_keeps_what_was_handed_off_before
            an_attempt_fails_only_while_it_is_ours
            a_delivery_settles_once
            what_is_contested_is_parked_and_in_nobodys_way
            attempts_count_what_was_begun
            only_what_stopped_is_requeued
            what_stopped_or_waits_is_rerouted
            what_is_being_tried_is_not_rerouted
            what_is_rerouted_changes_its_queue
            a_dead_letter_that_is_rerouted_is_none_any_more
            outcomes_are_reported_once
            who_was_told_of_a_given_up_one_is_not_told_again
            who_cannot_be_told_is_told_the_next_time
            what_has_not_left_is_withdrawn_with_what_takes_it_back
            what_may_have_left_stays_and_so_does_what_takes_it_back
            what_was_withdrawn_before_is_not_asked_back_again
            what_is_held_waits_for_the_operator
            a_recall_is_decided_where_its_delivery_is_taken_over
            recalls_that_do_not_fit_are_refused_whole
            a_recall_is_decided_for_each_receiver_by_itself
            a_withdrawal_and_an_attempt_never_both_happen
            recalls_do_as_a_naive_reader_of_the_rules_would
            one_of_many_admits_a_document
            one_of_many_settles_a_delivery
            documents_admitted_at_once_all_have_their_own_order
            after_close_every_call_fails
        }
    };
    (@checks $open:expr; $($check:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                let (_kept, store) = $open();
                $crate::contract::$check(store).await;
            }
        )*
    };
}

/// Makes two tests of each function named, each with its attribute: one with `Engine::Sled`, one with `Engine::Redb`,
/// which must be in scope. Each is an async function of the engine, beside the call.
#[macro_export]
macro_rules! over_both_engines {
    ($(#[$how:meta] $test:ident;)*) => {
        $crate::over_both_engines! { @over over_sled Sled $(#[$how] $test;)* }
        $crate::over_both_engines! { @over over_redb Redb $(#[$how] $test;)* }
    };
    (@over $over:ident $engine:ident $(#[$how:meta] $test:ident;)*) => {
        mod $over {
            $(
                #[$how]
                async fn $test() {
                    super::$test(super::Engine::$engine).await;
                }
            )*
        }
    };
}
