//! The committed stubs are those of the protos. `UPDATE_STUBS=1` writes them anew.

use std::path::Path;
use std::{env, fs};

const PROTOS: &[&str] = &[
    "tenure/v1/session.proto",
    "tenure/v1/session_service.proto",
    "tenure/v1/credential_service.proto",
    "tenure/admin/v1/admin_service.proto",
];

#[test]
fn the_stubs_are_those_of_the_protos() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let descriptors =
        protox::compile(PROTOS, [here.join("../../proto")]).expect("the protos compile");
    let out = tempfile::tempdir().expect("a directory");
    tonic_prost_build::configure()
        .build_server(false)
        .btree_map(".")
        // What holds a secret prints itself by hand (see src/proto.rs): without it.
        .skip_debug([".tenure.v1.Credential", ".tenure.v1.OAuthTokenSet"])
        .out_dir(out.path())
        .compile_fds(descriptors)
        .expect("the stubs are generated");

    for name in ["tenure.v1.rs", "tenure.admin.v1.rs"] {
        let generated = fs::read_to_string(out.path().join(name)).expect("they are written");
        let committed = here.join("src/proto").join(name);
        if env::var_os("UPDATE_STUBS").is_some() {
            fs::write(&committed, &generated).expect("they can be replaced");
        }
        assert!(
            fs::read_to_string(&committed).unwrap_or_default() == generated,
            "the stubs are out of date: run `UPDATE_STUBS=1 cargo test -p tenure-client --test stubs`"
        );
    }
}
