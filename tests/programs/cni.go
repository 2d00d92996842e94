// SPDX-License-Identifier: Apache-2.0

// A runtime: has plugins called by CNI's own library, for the container "web" and its interface
// "eth0", as "cni ADD|CHECK|DEL CONFLIST NETNS CACHE" says. Prints what an ADD returns.
package main

import (
	"context"
	"log"
	"os"
	"path/filepath"

	"github.com/containernetworking/cni/libcni"
)

func call(command, path, netns, cache string) error {
	ctx := context.Background()
	plugins := libcni.NewCNIConfigWithCacheDir(filepath.SplitList(os.Getenv("CNI_PATH")), cache, nil)
	container := &libcni.RuntimeConf{ContainerID: "web", NetNS: netns, IfName: "eth0"}

	list, err := libcni.ConfListFromFile(path)
	if err != nil {
		return err
	}
	if _, err := plugins.ValidateNetworkList(ctx, list); err != nil {
		return err
	}
	switch command {
	case "CHECK":
		return plugins.CheckNetworkList(ctx, list, container)
	case "DEL":
		return plugins.DelNetworkList(ctx, list, container)
	}
	result, err := plugins.AddNetworkList(ctx, list, container)
	if err != nil {
		return err
	}
	return result.Print()
}

func main() {
	if err := call(os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		log.Fatal(err)
	}
}
