//! With libtorch the binary has to find its libraries when it starts, even to compute elsewhere. `cargo xtask` says where they
//! are; they become part of the binary, so that nobody has to set a path to run it.

fn main() {
    println!("cargo:rerun-if-env-changed=EARMARK_TORCH_LIB");
    println!("cargo:rerun-if-changed=build.rs");
    let libtorch = std::env::var_os("CARGO_FEATURE_LIBTORCH").is_some();
    if let Some(folder) = std::env::var_os("EARMARK_TORCH_LIB").filter(|_| libtorch && cfg!(unix)) {
        println!("cargo:rustc-link-arg-bins=-Wl,-rpath,{}", folder.display());
    }
}
