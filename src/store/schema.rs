//! The tables as diesel knows them: the columns that both databases have and the program reads or writes. `cargo test the_tables` compares them with the
//! migrated databases.

diesel::table! {
    audit_chains (chain) {
        chain -> Integer,
        chain_sequence -> BigInt,
        mac -> Binary,
        tag -> Binary,
        generation -> Integer,
    }
}

diesel::table! {
    audit_checkpoints (chain) {
        chain -> Integer,
        chain_sequence -> BigInt,
        mac -> Binary,
        tag -> Binary,
    }
}

diesel::table! {
    audit_events (id) {
        id -> Binary,
        occurred_at_us -> BigInt,
        action -> Text,
        actor_issuer -> Text,
        actor_subject -> Text,
        credential_id -> Nullable<Binary>,
        credential_name -> Nullable<Text>,
        value_version -> Nullable<Integer>,
        user_id -> Nullable<Binary>,
        user_subject -> Nullable<Text>,
        consumer_kind -> Nullable<Text>,
        consumer_external_id -> Nullable<Text>,
        consumer_name -> Nullable<Text>,
        request_id -> Text,
        owner_id -> Nullable<Binary>,
        reason -> Nullable<Text>,
        times -> Integer,
        heads -> Nullable<Binary>,
        chain -> Integer,
        chain_sequence -> BigInt,
        mac -> Binary,
        actor_client -> Nullable<Text>,
        token_id_hash -> Nullable<Binary>,
        peer -> Nullable<Text>,
    }
}

diesel::table! {
    credential_references (id) {
        id -> Binary,
        credential_id -> Binary,
        present_credential_id -> Nullable<Binary>,
        consumer_kind -> Text,
        consumer_external_id -> Text,
        consumer_name -> Nullable<Text>,
        declared_at_us -> Nullable<BigInt>,
        first_resolved_at_us -> Nullable<BigInt>,
        last_resolved_at_us -> Nullable<BigInt>,
        last_resolved_version -> Nullable<Integer>,
        resolve_count -> Integer,
    }
}

diesel::table! {
    credentials (id) {
        id -> Binary,
        name -> Text,
        name_key -> Text,
        owner_id -> Binary,
        value_version -> Integer,
        created_at_us -> BigInt,
        updated_at_us -> BigInt,
        value_updated_at_us -> BigInt,
        data_key_id -> Integer,
        sealed_value -> Binary,
    }
}

diesel::table! {
    data_key_copies (data_key_id, master_key_id) {
        data_key_id -> Integer,
        master_key_id -> Binary,
        wrapped -> Binary,
    }
}

diesel::table! {
    data_keys (id) {
        id -> Integer,
        purpose -> Text,
        state -> Text,
        changed_at_us -> BigInt,
    }
}

diesel::table! {
    deleted_credentials (id) {
        id -> Binary,
        name -> Text,
        deleted_at_us -> BigInt,
    }
}

diesel::table! {
    keyring (deployment_id) {
        deployment_id -> Binary,
        format -> Integer,
        primary_master_key_id -> Binary,
        generation -> Integer,
        tag -> Binary,
    }
}

diesel::table! {
    login_codes (code_hash) {
        code_hash -> Binary,
        subject -> Text,
        scopes -> Text,
        created_at_us -> BigInt,
        ends_at_us -> BigInt,
        mac -> Binary,
    }
}

diesel::table! {
    master_key_slots (number) {
        number -> Integer,
        master_key_id -> Binary,
        purpose -> Text,
        generation -> Integer,
        added_at_us -> BigInt,
        check_value -> Binary,
    }
}

diesel::table! {
    reference_progress (counted_through) {
        counted_through -> Binary,
    }
}

diesel::table! {
    removed_users (issuer, subject) {
        issuer -> Text,
        subject -> Text,
        removed_at_us -> BigInt,
    }
}

diesel::table! {
    sessions (id_hash) {
        id_hash -> Binary,
        authenticator -> Binary,
        user_id -> Binary,
        scopes -> Text,
        credential_ids -> Nullable<Binary>,
        issued_at -> BigInt,
        created_at_us -> BigInt,
        ends_at_us -> BigInt,
        mac -> Binary,
    }
}

diesel::table! {
    users (id) {
        id -> Binary,
        issuer -> Text,
        subject -> Text,
        name -> Nullable<Text>,
        email -> Nullable<Text>,
        name_key -> Text,
        search_key -> Text,
        created_at_us -> BigInt,
        profile_issued_at -> BigInt,
    }
}

diesel::joinable!(credentials -> users (owner_id));
diesel::joinable!(sessions -> users (user_id));

diesel::allow_tables_to_appear_in_same_query!(
    audit_chains,
    audit_checkpoints,
    audit_events,
    credential_references,
    credentials,
    data_key_copies,
    data_keys,
    deleted_credentials,
    keyring,
    login_codes,
    master_key_slots,
    reference_progress,
    removed_users,
    sessions,
    users,
);
