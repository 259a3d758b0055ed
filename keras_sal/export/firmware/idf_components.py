"""Names that a component of ESP-IDF can't have: those of ESP-IDF 5, and of what a package needs.

A component is named after its folder, and takes the place of another one with its name.
"""

IDF_COMPONENTS = frozenset({
    "app_trace", "app_update", "bootloader", "bootloader_support", "bt", "cmock", "console", "cxx",
    "driver", "efuse", "esp-nn", "esp-tflite-micro", "esp-tls", "esp_adc", "esp_app_format",
    "esp_blockdev", "esp_bootloader_format", "esp_coex", "esp_common", "esp_driver_ana_cmpr",
    "esp_driver_bitscrambler", "esp_driver_cam", "esp_driver_dac", "esp_driver_gpio",
    "esp_driver_gptimer", "esp_driver_i2c", "esp_driver_i2s", "esp_driver_isp", "esp_driver_jpeg",
    "esp_driver_ledc", "esp_driver_mcpwm", "esp_driver_parlio", "esp_driver_pcnt", "esp_driver_ppa",
    "esp_driver_rmt", "esp_driver_sd_intf", "esp_driver_sdio", "esp_driver_sdm", "esp_driver_sdmmc",
    "esp_driver_sdspi", "esp_driver_spi", "esp_driver_touch_sens", "esp_driver_tsens",
    "esp_driver_twai", "esp_driver_uart", "esp_driver_usb_serial_jtag", "esp_eth", "esp_event",
    "esp_gdbstub", "esp_hid", "esp_http_client", "esp_http_server", "esp_https_ota",
    "esp_https_server", "esp_hw_support", "esp_lcd", "esp_libc", "esp_local_ctrl", "esp_mm",
    "esp_netif", "esp_netif_stack", "esp_partition", "esp_phy", "esp_pm", "esp_psram",
    "esp_ringbuf", "esp_rom", "esp_security", "esp_stdio", "esp_system", "esp_tee", "esp_timer",
    "esp_usb_cdc_rom_console", "esp_vfs_console", "esp_wifi", "espcoredump", "espressif__esp-nn",
    "espressif__esp-tflite-micro", "esptool_py", "fatfs", "freertos", "hal", "heap", "http_parser",
    "idf_test", "ieee802154", "json", "linux", "log", "lwip", "main", "mbedtls", "mqtt", "newlib",
    "nvs_flash", "nvs_sec_provider", "openthread", "partition_table", "perfmon", "protobuf-c",
    "protocomm", "pthread", "riscv", "rt", "sdmmc", "soc", "spi_flash", "spiffs", "tcp_transport",
    "touch_element", "ulp", "unity", "usb", "vfs", "wear_levelling", "wifi_provisioning",
    "wpa_supplicant", "xtensa",
})  # fmt: skip
