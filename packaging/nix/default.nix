# SPDX-License-Identifier: Apache-2.0
# The package, of the tree that this stands in: pkgs.callPackage ./default.nix { }
{
  lib,
  stdenv,
  jansson,
  libcap,
  libnl,
  libseccomp,
  meson,
  nftables,
  ninja,
  pkg-config,
  systemd,
}:
stdenv.mkDerivation {
  pname = "vmnet-broker";
  version = import ./version.nix;
  src = lib.cleanSource ../..;
  nativeBuildInputs = [
    meson
    ninja
    pkg-config
  ];
  buildInputs = [
    jansson
    libcap
    libnl
    libseccomp
    nftables
    systemd
  ];
  mesonFlags = [ "-Dtests=false" ];
  meta = {
    description = "Shared networks for virtual machines, by name";
    homepage = "https://github.com/nirs/vmnet-broker";
    license = lib.licenses.asl20;
    mainProgram = "vmnetctl";
    platforms = lib.platforms.linux;
  };
}
