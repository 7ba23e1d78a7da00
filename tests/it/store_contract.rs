//! The contract suite: the promises that a store keeps, case by case, for every store.
//!
//! A new store implements [`Backend`](crate::support::backend::Backend) and gets its line at the end of
//! this file. What it cannot do it names there, with the reason; the suite asserts the lack.

#![expect(
    clippy::unwrap_used,
    clippy::unchecked_time_subtraction,
    reason = "a test fails by panicking"
)]

mod bounds;
mod claims;
mod conversations;
mod create;
mod credentials;
mod inspect;
mod lifetimes;
mod limits;
mod list;
mod marks;
mod owners;
mod refresh;
mod replays;
mod revoke;
mod rotate;
mod sealed;
mod slices;
mod stories;
mod sweep;
mod update;
mod watch;

/// Makes a test of every case, for one store.
macro_rules! every_case {
    ($name:ident, $backend:expr) => {
        every_case! { @each each_a_test, $name, $backend }
    };
    // All cases in one test, where it takes long to start the servers.
    ($name:ident, shared $backend:expr) => {
        every_case! { @each all_in_one, $name, $backend }
    };
    (@each $how:ident, $name:ident, $backend:expr) => {
        every_case! { @$how $name, $backend;
            bounds: sessions_are_bounded, a_replacement_needs_no_room, bytes_are_bounded,
                what_is_over_makes_room, endings_need_no_room, durability, held_counts;
            claims: true_exactly_once, again_after_its_ttl, each_owner_claims_alone, limited, old_claims_make_room,
                anonymous_claims;
            conversations: fail_refuses, return_finds_the_live_one, return_slides_and_changes_nothing,
                return_makes_one_if_the_other_is_dead, return_never_finds_an_older_login,
                replace_ends_the_live_one, replace_works_at_the_limit, dead_ones_are_free,
                a_rotated_session_keeps_its_conversation, ending_one_leaves_the_others,
                owners_do_not_share_them;
            create: reads_back_as_made, supplied_id_that_is_live, supplied_id_that_lately_ended,
                supplied_id_of_another_owner, supplied_id_that_was_rotated_away, refused_changes_nothing;
            credentials: written_and_read, first_ones_come_with_the_session, only_the_next_version_is_written,
                a_destroyed_version_never_comes_again, limited, endings_destroy_them, a_stranger_learns_nothing,
                a_rotation_keeps_them, all_of_them_slide;
            refresh: one_refreshes_at_a_time, a_holder_that_disappears, a_lease_given_back,
                a_lease_ends_with_its_version, a_completion_may_be_repeated;
            sealed: an_update_is_for_its_record, sealed_increments_are_remembered,
                tenant_keys_are_kept_until_destroyed;
            inspect: namespaces_and_what_is_in_them, the_store_tells_how_it_is, callers_are_named;
            slices: all_are_found, by_owner, by_label_age_and_idle_time, only_live_ones, a_slice_is_small,
                one_owner_with_many, positions_from_elsewhere;
            stories: of_a_live_session, of_an_ended_one, of_a_rotated_one, of_what_expired, of_what_a_mark_covers,
                of_all_bearers, of_one_never_made, keys_and_sizes_only, one_session_is_ended;
            lifetimes: idle_to_the_millisecond, reads_slide, peeks_and_lists_do_not_slide,
                touches_and_updates_slide, the_ceiling_stands, a_slide_stops_at_the_ceiling, why_it_ended,
                reasons_are_told_for_their_time, a_clock_set_back, a_shortened_lifetime;
            limits: sessions_per_owner_reject, sessions_per_owner_end_least_recent, the_dead_do_not_count,
                sessions_per_tenant, the_dead_of_a_tenant_do_not_count, anonymous_sessions,
                sealed_values_count_as_what_is_in_the_seal;
            list: newest_first, pages, pages_of_one_millisecond, only_live_ones, with_state;
            marks: no_old_login_after_owner, no_old_login_after_each_wide_selector, strangers_are_spared,
                made_in_the_same_millisecond_after, revoked_twice_in_a_millisecond,
                late_events_spare_newer_logins, whole_seconds_cover_their_second, except_spares_one,
                except_spares_every_bearer, except_does_not_spare_from_the_next, an_old_login_is_refused_beside_a_spared_session,
                marks_go_when_nothing_can_be_left, wide_is_in_force_before_any_sweep,
                no_rotation_to_an_old_login;
            owners: a_stranger_learns_nothing, the_same_id_under_two_owners, tenants_that_share_a_user,
                namespaces_do_not_meet, anonymous_sessions_live, bearers_are_all_who_had_it,
                parallel_sessions_of_one_owner, parallel_increments;
            replays: create, create_that_returned, create_after_its_end, update, update_after_its_end, rotate,
                claim, another_body, only_successes, each_rpc_for_itself, each_owner_for_itself, forgotten_in_time,
                a_replay_does_not_slide;
            revoke: by_id, by_id_of_all_bearers, by_an_id_from_before_rotations, by_provider_session,
                provider_session_after_a_rotation, by_owner, by_subject, by_tenant, by_issuer, everybody,
                authenticated_until, dry_runs_change_nothing, a_second_time_ends_nothing, the_reason_is_told,
                anonymous_owner_as_one;
            rotate: new_id_old_dead, the_ceiling_stays, content_stays, chains, taken_ids, new_login,
                anonymous_place, after_its_end;
            sweep: ends_each_once_with_its_cause, tells_of_endings_wherever_they_happen, ends_what_a_mark_covers_once, in_small_slices,
                forgets_everything, changes_no_answer, nothing_due_nothing_done;
            update: keys_merge, revisions_grow, if_revision, never_revives, increments, appends,
                refused_changes_nothing, context_and_labels;
            watch: order, starts_now, resumes, a_cursor_from_elsewhere, falling_behind, wakes_up,
                updates_where_asked, reads_never, event_ids_are_unique, revoked_before_the_endings;
        }
    };
    (@all_in_one $name:ident, $backend:expr; $($topic:ident: $($case:ident),*;)*) => {
        #[tokio::test]
        async fn $name() {
            let backend = $backend;
            $($(
                // A case that fails names itself.
                eprintln!(concat!(stringify!($topic), "::", stringify!($case)));
                $topic::$case(&backend).await;
            )*)*
        }
    };
    (@each_a_test $name:ident, $backend:expr; $($topic:ident: $($case:ident),*;)*) => {
        mod $name {
            $(mod $topic {
                $(#[tokio::test]
                async fn $case() {
                    crate::store_contract::$topic::$case(&$backend).await;
                })*
            })*
        }
    };
}

every_case!(memory, crate::support::backend::Memory);
every_case!(redis, crate::support::backend::Redis::start().restricted());
every_case!(redis_sentinel, shared
    crate::support::backend::Redis::behind_sentinels().restricted());
every_case!(redis_cluster, shared crate::support::backend::Redis::in_a_cluster().restricted());
every_case!(redis_cluster_moving, shared
    crate::support::backend::Redis::in_a_cluster_whose_slots_move(&["suite", "elsewhere"]));
