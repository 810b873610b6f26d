"""List every attack that we know of with the tests that show its effect. A row whose test is gone fails."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]

ATTACKS: dict[str, list[str]] = {
    "template text in issue, name, subject": [
        "mailer/content/test_rendering_xss.py::test_an_attack_is_inert",
        "mailer/content/test_rendering_xss.py::test_an_attack_in_the_title_is_text",
        "mailer/content/test_rendering.py::test_an_issue_that_holds_a_placeholder_gets_another",
        "attacks/test_pages.py::test_text_of_an_issue_and_its_newsletter_is_escaped_wherever_it_is_shown",
        "attacks/test_pages.py::test_text_of_a_newsletter_is_escaped_in_the_confirmation_mail",
    ],
    "scripts in issue, name, reason of a bounce, archive, preview, admin": [
        "mailer/content/test_rendering_xss.py::test_attacks_put_together_are_inert",
        "mailer/test_admin.py::test_names_from_strangers_are_inert",
        "attacks/test_pages.py::test_text_of_an_issue_and_its_newsletter_is_escaped_wherever_it_is_shown",
        "mailer/web/test_pages.py::test_a_sent_issue_has_a_page_with_its_content_and_no_subscribers_link",
        "mailer/previewing/test_server.py::test_the_page_runs_its_own_script_and_nothing_else",
        "mailer/previewing/test_server.py::test_the_frame_of_the_mail_never_runs_a_script",
        "processes/test_preview.py::test_nothing_of_the_issue_runs_in_the_page_or_in_the_mail",
        "attacks/test_public_urls.py::test_no_request_gets_more_than_an_orderly_answer",
        "attacks/test_terminal.py::test_what_a_provider_says_of_a_bounce_steers_no_terminal",
    ],
    "posts forged by another site": [
        "attacks/test_pages.py::test_every_post_of_another_site_is_refused_but_for_the_signed_links",
        "attacks/test_admin_login.py::test_nobody_is_logged_in_by_a_page_of_somebody_else",
        "mailer/web/test_proxies_of_every_kind.py::test_a_form_of_another_address_names_ours",
        "subscribers/test_signed_links_attacked.py::test_the_form_is_refused_from_another_site_and_signed_links_need_no_cookie",
        "subscribers/test_signed_links_attacked.py::test_a_scanner_that_opens_every_link_of_every_mail_changes_nothing",
    ],
    "formulas in exports": [
        "subscribers/files/test_exporting.py::test_what_a_spreadsheet_would_calculate_is_exported_as_text",
        "subscribers/files/test_exporting.py::test_neutralising_a_formula_can_always_be_undone",
        "subscribers/files/test_exporting.py::test_an_export_is_imported_back_unchanged",
        "subscribers/files/test_importing_rejected_rows.py::test_rejected_rows_go_where_they_are_wanted_closed_to_others_and_calculate_nothing",
        "attacks/test_terminal.py::test_what_a_provider_says_of_a_bounce_steers_no_terminal",
    ],
    "ids and addresses without a signature": [
        "subscribers/test_signed_links_attacked.py::test_ids_and_addresses_without_a_signature_open_nothing",
    ],
    "tokens: changed, cut, for another purpose or reader": [
        "subscribers/test_tokens.py::test_a_changed_letter_is_refused_wherever_it_stands",
        "subscribers/test_tokens.py::test_a_cut_or_lengthened_token_is_refused",
        "subscribers/test_signed_links_attacked.py::test_each_token_serves_only_its_own_purpose",
        "subscribers/test_signed_links_attacked.py::test_a_damaged_token_opens_nothing",
        "subscribers/test_signed_links_attacked.py::test_a_token_of_another_installation_opens_nothing",
        "attacks/test_behind_links.py::test_a_link_that_was_cut_anywhere_changes_nothing_and_its_page_says_so",
        "attacks/test_behind_links.py::test_what_begins_with_no_letter_of_a_token_is_ignored_and_what_begins_with_one_damages_the_link",
    ],
    "link keys that leaked, signatures that were made up": [
        "attacks/test_link_keys.py::test_made_up_signatures_cost_one_look_into_the_database_in_five_seconds",
        "attacks/test_link_keys.py::test_a_key_that_leaked_opens_nothing_once_it_is_retired",
        "attacks/test_link_keys.py::test_who_must_not_be_mailed_is_known_under_each_later_key",
        "mailer/store/test_installation.py::test_a_key_that_was_retired_stays_so_in_a_restored_database",
        "mailer/cli/test_keys.py::test_they_are_listed_with_what_they_do_and_never_shown",
    ],
    "what gateways and mail programs leave behind a link": [
        "attacks/test_behind_links.py::test_a_link_opens_whatever_stands_behind_it",
        "attacks/test_behind_links.py::test_one_click_unsubscribes_whatever_stands_behind_its_link",
        "attacks/test_behind_links.py::test_the_page_of_a_damaged_link_names_another_way_to_leave",
    ],
    "open redirects, javascript: and data: addresses": [
        "subscribers/test_signed_links_attacked.py::test_no_page_leads_or_posts_anywhere_else_whatever_the_request_says",
        "attacks/test_admin_login.py::test_a_login_leads_nowhere_else",
        "mailer/web/test_hosts.py::test_nobody_is_led_to_another_place_than_base_url",
        "attacks/test_public_urls.py::test_no_request_gets_more_than_an_orderly_answer",
        "mailer/checks/test_links.py::test_an_issues_own_bad_links_are_told_where_they_stand",
    ],
    "asking who reads, and mailing victims by our form": [
        "subscribers/web/test_views.py::test_everybody_gets_the_same_answer",
        "attacks/test_signing_up.py::test_a_network_counts_the_same_for_readers_and_strangers",
        "attacks/test_queue.py::test_mailboxes_that_were_mailed_before_and_ask_again_push_nobody_else_out",
        "attacks/test_queue.py::test_a_stranger_who_types_an_address_does_not_delay_its_subscribers_own_request",
        "attacks/test_signing_up.py::test_one_mailbox_under_many_spellings_gets_one_mail_in_ten_minutes_and_three_a_day",
        "attacks/test_signing_up.py::test_sixty_posts_of_one_form_at_once_make_one_mail",
        "attacks/test_signing_up.py::test_sixty_spellings_at_once_make_one_mail",
        "attacks/test_signing_up.py::test_a_bot_that_solves_gets_one_mail_for_each_solution",
        "attacks/test_signing_up.py::test_a_solution_is_good_for_its_own_form_network_and_half_hour",
        "attacks/test_signing_up.py::test_a_bot_without_javascript_waits_and_its_mails_go_out_one_a_minute",
        "attacks/test_signing_up.py::test_what_is_asked_of_a_network_is_the_same_for_readers_and_strangers",
        "attacks/test_signing_up.py::test_the_database_has_the_same_work_with_everybody_who_is_known",
        "subscribers/test_signed_links_attacked.py::test_a_thousand_posts_for_one_address_from_everywhere_are_one_mail",
        "subscribers/web/test_preferences.py::test_one_in_ten_minutes_and_three_a_day_whatever_is_asked",
        "subscribers/web/test_my_data.py::test_nobody_can_fill_the_mailboxes_of_others_by_it",
        "subscribers/web/test_my_data.py::test_the_page_does_not_tell_who_reads_or_who_may_not_be_mailed",
        "attacks/test_admin_login.py::test_a_login_takes_as_long_for_a_name_that_does_not_exist",
    ],
    "shutting the form for others, and using up what is a subscriber's": [
        "attacks/test_signing_up.py::test_seventeen_networks_that_ask_for_seventeen_mails_keep_nobody_out",
        "attacks/test_signing_up.py::test_no_flood_of_other_steps_pushes_a_networks_mails_out_of_the_count",
        "attacks/test_signing_up.py::test_signed_links_still_mail_their_subscriber_while_strangers_hammer",
        "attacks/test_signing_up.py::test_mails_by_signed_links_wait_behind_no_stranger",
        "attacks/test_signing_up.py::test_with_proxies_forgotten_everybody_is_one_network_and_nobody_is_shut_out",
        "attacks/test_signing_up.py::test_a_flood_keeps_its_rows_bounded_keeps_nobody_out_and_is_over_soon",
        "attacks/test_signing_up.py::test_who_is_pushed_out_of_the_queue_keeps_what_else_is_known_of_them",
    ],
    "a webhook unsigned, forged, stale, replayed, malformed, huge, of somebody else": [
        "mailer/web/test_webhooks.py::test_what_sendgrid_did_not_sign_now_is_refused",
        "mailer/web/test_webhooks.py::test_a_post_that_is_replayed_changes_nothing",
        "mailer/web/test_webhooks.py::test_a_body_that_is_not_an_array_is_refused_with_an_explanation",
        "mailer/web/test_webhooks.py::test_strange_events_do_no_harm_to_their_neighbours",
        "mailer/web/test_bodies.py::test_events_are_limited_too_and_a_length_that_says_so_is_not_read",
        "mailer/web/test_webhooks.py::test_a_compressed_body_is_refused_unopened",
        "mailer/web/test_webhooks.py::test_events_of_another_installation_on_the_account_are_acknowledged_and_dropped",
        "attacks/test_raw_sockets.py::test_a_huge_post_is_refused_by_its_length_alone",
    ],
    "a web page that posts to the preview or the rehearsal; DNS rebinding": [
        "mailer/previewing/test_server.py::test_without_the_token_there_is_nothing",
        "mailer/previewing/test_server.py::test_a_name_that_was_rebound_to_this_machine_is_refused",
        "mailer/previewing/test_server.py::test_a_web_page_of_somebody_else_is_refused_even_with_the_token",
        "mailer/previewing/test_server.py::test_a_post_that_does_not_say_where_it_is_from_or_is_a_form_is_refused",
        "mailer/providers/test_rehearsal.py::test_only_our_own_client_is_answered",
    ],
    "a friend with a forwarded mail": [
        "subscribers/test_signed_links_attacked.py::test_a_friend_with_a_forwarded_mail_learns_and_changes_nothing_that_is_only_its_readers",
        "subscribers/web/test_preferences.py::test_a_friend_can_ask_for_one_mail_only_and_never_subscribe_anybody",
    ],
    "a button of a signed link pressed by a script": [
        "attacks/test_growth.py::test_who_toggles_the_language_leaves_one_row_and_is_stopped_for_an_hour",
        "attacks/test_growth.py::test_no_button_of_any_link_makes_rows_without_end",
        "attacks/test_growth.py::test_each_kind_of_change_that_is_not_consent_keeps_only_its_last_row",
        "attacks/test_growth.py::test_a_leaving_is_never_refused_whatever_was_used_up",
        "attacks/test_growth.py::test_a_copy_of_everything_is_made_three_times_an_hour",
        "attacks/test_growth.py::test_a_copy_of_a_long_history_holds_all_of_it_and_little_memory",
        "attacks/test_growth.py::test_admin_shows_a_page_of_a_long_history_by_few_queries",
        "attacks/test_growth.py::test_show_pages_a_long_history_and_a_pipe_gets_all_of_it",
        "attacks/test_growth.py::test_the_export_of_all_readers_holds_little_memory_whatever_the_history",
        "attacks/test_growth.py::test_who_leaves_again_and_again_while_the_database_is_away_adds_a_line_in_ten_seconds",
    ],
    "a friend who presses Undo after the owner left": [
        "attacks/test_undo_links.py::test_a_friend_who_left_for_the_owner_cannot_undo_the_owners_own_leaving",
        "attacks/test_undo_links.py::test_any_later_leaving_ends_undo",
        "attacks/test_undo_links.py::test_an_undo_link_undoes_no_other_leaving_than_its_own",
        "attacks/test_undo_links.py::test_an_undo_link_is_used_once",
        "attacks/test_undo_links.py::test_the_subscriber_is_told_of_an_undo_with_the_link_to_leave",
        "attacks/test_undo_links.py::test_after_two_undos_in_thirty_days_only_a_fresh_confirmation_brings_back",
        "attacks/test_undo_links.py::test_a_click_that_waited_in_the_journal_is_not_undone_by_an_older_leavings_link",
        "attacks/test_undo_links.py::test_the_mailbox_is_told_of_a_deletion_and_then_forgotten",
    ],
    "links in a mailbox that its subscriber left behind": [
        "attacks/test_moves.py::test_a_link_of_the_old_mailbox_opens_nothing_and_says_where_to_go",
        "attacks/test_moves.py::test_no_link_of_the_old_mailbox_mints_a_fresh_one",
        "attacks/test_moves.py::test_a_confirm_link_of_the_old_mailbox_does_not_confirm_for_the_new_address",
        "attacks/test_moves.py::test_the_unsubscribe_link_of_an_old_mail_never_expires",
        "attacks/test_moves.py::test_an_old_link_ends_only_what_was_read_at_that_address",
        "attacks/test_moves.py::test_the_letter_of_a_move_names_each_newsletter_and_language_and_one_press_confirms_those_alone",
        "attacks/test_moves.py::test_the_old_address_is_told_of_a_move",
    ],
    "an operator who looks unseen, or covers it up": [
        "mailer/cli/test_auditing.py::test_each_command_that_looks_at_subscribers_or_does_something_to_them_is_a_row",
        "mailer/cli/test_auditing.py::test_what_cannot_be_audited_is_not_done_but_looking_is_and_says_so",
        "mailer/test_admin.py::test_who_looks_at_readers_here_is_in_the_audit_log_and_what_they_typed_is_not",
        "mailer/test_admin.py::test_the_audit_log_is_shown_and_nothing_in_it_can_be_changed_here",
        "subscribers/test_auditing.py::test_neither_the_orm_nor_sql_changes_or_deletes_a_row",
        "subscribers/test_auditing.py::test_rows_of_two_years_ago_are_let_go_and_younger_ones_are_not",
    ],
    "line breaks into headers": [
        "subscribers/test_signed_links_attacked.py::test_no_input_reaches_a_header",
        "mailer/content/test_issues.py::test_a_title_cannot_carry_a_line_break_into_a_header",
        "mailer/providers/sendgrid/test_payload.py::test_what_may_not_stand_in_a_header_makes_no_request",
        "mailer/providers/sendgrid/test_payload.py::test_any_subject_and_newsletter_name_is_refused_or_stays_on_one_line",
        "mailer/config/test_newsletter.py::test_a_bad_value_is_named_with_its_line",
    ],
    "YAML tags and aliases, huge front matter, Markdown bombs": [
        "mailer/content/test_issues.py::test_a_file_that_is_not_an_issue_says_where_and_why",
        "mailer/content/test_rendering_limits.py::test_hostile_text_ends_soon",
    ],
    "paths and links out of the newsletter's folder": [
        "mailer/content/test_rendering.py::test_what_cannot_work_in_a_mail_is_found_with_its_place",
        "mailer/checks/test_links.py::test_an_issues_own_bad_links_are_told_where_they_stand",
    ],
    "image bombs, requests into private networks": [
        "mailer/content/test_rendering_images.py::test_a_bomb_is_refused_before_it_is_decoded",
        "mailer/content/test_rendering_images.py::test_a_hostile_drawing_is_refused",
        "mailer/checks/test_fetching.py::test_addresses_inside_of_networks_are_not_public",
        "mailer/checks/test_fetching.py::test_this_machine_is_refused_however_it_is_written",
        "mailer/checks/test_fetching.py::test_a_redirect_into_a_private_network_is_refused",
        "mailer/checks/test_fetching.py::test_a_name_that_changes_its_mind_is_resolved_once_for_each_request",
    ],
    "secrets and addresses in logs; unsafe settings": [
        "mailer/web/test_views.py::test_no_log_holds_a_readers_token_whatever_goes_wrong",
        "attacks/test_raw_sockets.py::test_malformed_http_is_refused_and_its_path_stays_out_of_the_log",
        "attacks/test_public_urls.py::test_no_request_gets_more_than_an_orderly_answer",
        "mailer/providers/sendgrid/test_client.py::test_the_key_is_never_shown",
        "mailer/providers/sendgrid/test_client.py::test_addresses_are_not_logged",
        "processes/test_settings.py::test_production_refuses_each_unsafe_setting_by_its_name",
        "processes/test_settings.py::test_nothing_in_the_environment_switches_debugging_on",
        "mailer/web/test_pages_security_txt.py::test_what_nobody_could_write_to_stops_the_start_and_is_named",
        "mailer/cli/test_doctor_security.py::test_a_setting_that_stands_open_is_found",
        "mailer/cli/test_doctor_security.py::test_a_file_that_is_open_is_named_with_the_command_that_closes_it",
    ],
    "files to import that are huge, wide, broken": [
        "subscribers/files/test_importing_rejected_rows.py::test_a_hostile_file_makes_no_reader_and_no_trouble",
        "subscribers/files/test_importing.py::test_bytes_that_are_not_text_are_refused",
        "subscribers/files/test_importing_rejected_rows.py::test_good_rows_are_kept_and_bad_rows_are_written_down_with_their_reasons",
    ],
    "guessing the operator's password": [
        "mailer/test_admin.py::test_five_wrong_passwords_lock_out_even_the_right_one",
        "attacks/test_admin_login.py::test_another_claim_for_each_guess_does_not_help",
        "attacks/test_admin_login.py::test_a_stranger_locks_out_their_own_network_and_never_the_operator",
        "attacks/test_admin_login.py::test_an_address_that_the_database_cannot_store_still_counts_for_the_lockout",
    ],
    "clients that drip, or speak no HTTP": [
        "attacks/test_raw_sockets.py::test_those_who_drip_do_not_keep_the_others_out",
        "attacks/test_raw_sockets.py::test_malformed_http_is_refused_and_its_path_stays_out_of_the_log",
        "attacks/test_raw_sockets.py::test_a_body_that_breaks_off_is_refused_as_that",
        "mailer/web/test_bodies.py::test_nothing_is_done_and_the_answer_says_so",
        "attacks/test_raw_sockets.py::test_no_header_moves_a_request_to_another_page",
        "attacks/test_pages.py::test_no_endpoint_writes_an_upload_to_the_disk",
    ],
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_each_attack_has_tests_that_are_there(attack):
    for named in ATTACKS[attack]:
        file, _, name = named.partition("::")
        tests = {one.name for one in ast.parse((TESTS / file).read_text()).body if isinstance(one, ast.FunctionDef)}
        assert name in tests, named
