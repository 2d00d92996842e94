# SPDX-License-Identifier: Apache-2.0
# For NixOS: imports = [ ./module.nix ]; services.vmnet-broker.enable = true;
{
  config,
  lib,
  pkgs,
  ...
}:
let
  package = pkgs.callPackage ./default.nix { };
  devices = [
    "interface-name:vmb-*"
    "interface-name:vmc-*"
    "interface-name:vmx-*"
    "interface-name:vmh-*"
    "interface-name:vmp-*"
    "interface-name:vmt*"
  ];
in
{
  options.services.vmnet-broker.enable = lib.mkEnableOption "shared networks for virtual machines";

  config = lib.mkIf config.services.vmnet-broker.enable {
    environment.systemPackages = [ package ];
    systemd.packages = [ package ];
    systemd.sockets.vmnet-broker.wantedBy = [ "sockets.target" ];
    systemd.services.vmnet-broker-dnsmasq.path = [ pkgs.dnsmasq ];
    networking.networkmanager.unmanaged = devices;
    # Names of machines on the host: by systemd-resolved, which polkit lets be told of networks, or not.
    security.polkit.enable = lib.mkIf config.services.resolved.enable true;
    system.nssModules = lib.mkIf (!config.services.resolved.enable) [ package ];
    system.nssDatabases.hosts = lib.mkIf (!config.services.resolved.enable) (
      lib.mkBefore [ "vmnet_broker [!UNAVAIL=return]" ]
    );

    # As data/sysusers.conf has them.
    users.groups.vmnet-broker = { };
    users.groups.vmnet-dnsmasq = { };
    users.users.vmnet-broker = {
      isSystemUser = true;
      group = "vmnet-broker";
      extraGroups = [
        "kvm"
        "vmnet-dnsmasq"
      ];
    };
    users.users.vmnet-dnsmasq = {
      isSystemUser = true;
      group = "vmnet-dnsmasq";
    };
  };
}
