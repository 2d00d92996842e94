# SPDX-License-Identifier: Apache-2.0
# The cask of a release: scripts/dist fills in which. Homebrew checks the
# installer, and the installer checks the tarball that it installs.
cask "vmnet-broker" do
  version "@VERSION@"
  sha256 "@SHA256@"

  url "https://github.com/nirs/vmnet-broker/releases/download/v#{version}/install-macos"
  name "vmnet-broker"
  desc "Shared networks for the virtual machines of all programs"
  homepage "https://github.com/nirs/vmnet-broker"

  depends_on macos: ">= :tahoe"
  container type: :naked

  installer script: {
    executable: "install-macos",
    sudo:       true,
  }

  # Refused while machines use the networks; so is an upgrade.
  uninstall script: {
    executable: "/Library/Application Support/vmnet-broker/install-macos",
    args:       ["--remove"],
    sudo:       true,
  }

  zap delete: [
    "/etc/vmnet-broker",
    "/Library/Logs/vmnet-broker",
    "/var/db/vmnet-broker",
  ]
end
