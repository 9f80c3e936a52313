# What terraform_test.go applies; docs/terraform.md shows a part of it.
terraform {
  required_providers {
    digitalocean = {
      source = "digitalocean/digitalocean"
    }
  }
}

provider "digitalocean" {
  api_endpoint = var.endpoint
}

variable "endpoint" {
  type = string
}

variable "size" {
  type    = string
  default = "db-s-1vcpu-1gb"
}

variable "storage" {
  type    = number
  default = 40960
}

variable "large_version" {
  type    = string
  default = "7"
}

variable "threshold" {
  type    = number
  default = 80
}

variable "tags" {
  type    = set(string)
  default = ["env:prod"]
}

variable "hour" {
  type    = string
  default = "13:00:00"
}

variable "trusted" {
  type    = set(string)
  default = ["127.0.0.1"]
}

variable "read_concern" {
  type    = string
  default = "majority"
}

resource "digitalocean_database_cluster" "shop" {
  name       = "tf-shop"
  engine     = "mongodb"
  version    = "8"
  size       = var.size
  region     = "nyc1"
  node_count = 1
  tags       = var.tags

  maintenance_window {
    day  = "friday"
    hour = var.hour
  }
}

resource "digitalocean_database_cluster" "large" {
  name             = "tf-large"
  engine           = "mongodb"
  version          = var.large_version
  size             = "db-s-1vcpu-2gb"
  region           = "nyc1"
  node_count       = 1
  storage_size_mib = var.storage

  storage_autoscale {
    enabled           = true
    threshold_percent = var.threshold
    increment_gib     = 10
  }
}

resource "digitalocean_database_cluster" "fork" {
  name       = "tf-shop-fork"
  engine     = "mongodb"
  version    = "8"
  size       = "db-s-1vcpu-1gb"
  region     = "nyc1"
  node_count = 1

  backup_restore {
    database_name = digitalocean_database_cluster.shop.name
  }

  depends_on = [digitalocean_database_user.app]
}

resource "digitalocean_database_user" "app" {
  cluster_id = digitalocean_database_cluster.shop.id
  name       = "app"
}

resource "digitalocean_database_db" "orders" {
  cluster_id = digitalocean_database_cluster.shop.id
  name       = "orders"
}

resource "digitalocean_database_firewall" "shop" {
  cluster_id = digitalocean_database_cluster.shop.id

  dynamic "rule" {
    for_each = var.trusted
    content {
      type  = "ip_addr"
      value = rule.value
    }
  }

  rule {
    type  = "tag"
    value = "env:prod"
  }
}

resource "digitalocean_database_mongodb_config" "shop" {
  cluster_id            = digitalocean_database_cluster.shop.id
  default_read_concern  = var.read_concern
  default_write_concern = "majority"
  slow_op_threshold_ms  = 50
  verbosity             = 1
}

data "digitalocean_database_cluster" "shop" {
  name = digitalocean_database_cluster.shop.name
}

data "digitalocean_database_ca" "shop" {
  cluster_id = digitalocean_database_cluster.shop.id
}

data "digitalocean_database_user" "app" {
  cluster_id = digitalocean_database_cluster.shop.id
  name       = digitalocean_database_user.app.name
}

data "digitalocean_database_metrics_credentials" "all" {}

data "digitalocean_tags" "all" {
  depends_on = [digitalocean_database_cluster.shop]
}

data "digitalocean_project" "tine" {
  depends_on = [digitalocean_database_cluster.fork, digitalocean_database_cluster.large]
}

data "digitalocean_account" "me" {}
data "digitalocean_regions" "all" {}
data "digitalocean_sizes" "all" {}

output "uri" {
  value     = digitalocean_database_cluster.shop.uri
  sensitive = true
}

output "fork_uri" {
  value     = digitalocean_database_cluster.fork.uri
  sensitive = true
}

output "ids" {
  value = { for name, c in {
    shop  = digitalocean_database_cluster.shop
    large = digitalocean_database_cluster.large
    fork  = digitalocean_database_cluster.fork
  } : name => c.id }
}

output "found" {
  value = {
    size      = data.digitalocean_database_cluster.shop.size
    ca        = data.digitalocean_database_ca.shop.certificate
    role      = data.digitalocean_database_user.app.role
    tags      = [for tag in data.digitalocean_tags.all.tags : tag.name]
    resources = data.digitalocean_project.tine.resources
    regions   = [for region in data.digitalocean_regions.all.regions : region.slug]
  }
}
