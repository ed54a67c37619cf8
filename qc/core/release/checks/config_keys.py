"""Keys of the training configurations of a release, with the kinds of their values.

SlowFast stops at a key that it does not know; MMAction2 passes most on to a constructor, which
does. The keys are those of SlowFast's `config/defaults.py` and of the classes of MMAction2 1.x
that a release names.
"""

from collections.abc import Mapping


def _by_kind(keys: Mapping[str, str]) -> dict[str, str]:
    """Dotted key -> kinds, of texts of keys by their kinds."""
    return {key: kinds for kinds, text in keys.items() for key in text.split()}


SLOWFAST_KEYS = _by_kind(
    {
        "list": (
            "AVA.TEST_LISTS AVA.TEST_PREDICT_BOX_LISTS AVA.TRAIN_GT_BOX_LISTS "
            "AVA.TRAIN_LISTS AVA.TRAIN_PREDICT_BOX_LISTS DATA.INPUT_CHANNEL_NUM "
            "DATA.TRAIN_JITTER_SCALES NONLOCAL.GROUP NONLOCAL.LOCATION NONLOCAL.POOL "
            "RESNET.NUM_BLOCK_TEMP_KERNEL RESNET.SPATIAL_DILATIONS RESNET.SPATIAL_STRIDES "
            "SOLVER.LRS SOLVER.STEPS"
        ),
        "number": (
            "AVA.DETECTION_SCORE_THRESH BN.NUM_BATCHES_PRECISE DATA.NUM_FRAMES "
            "DATA.SAMPLING_RATE DATA.TEST_CROP_SIZE DATA.TRAIN_CROP_SIZE "
            "DATA_LOADER.NUM_WORKERS MODEL.DROPOUT_RATE MODEL.NUM_CLASSES NUM_GPUS "
            "NUM_SHARDS RESNET.DEPTH RESNET.NUM_GROUPS RESNET.WIDTH_PER_GROUP RNG_SEED "
            "SLOWFAST.ALPHA SLOWFAST.BETA_INV SLOWFAST.FUSION_CONV_CHANNEL_RATIO "
            "SLOWFAST.FUSION_KERNEL_SZ SOLVER.BASE_LR SOLVER.MAX_EPOCH SOLVER.MOMENTUM "
            "SOLVER.WARMUP_EPOCHS SOLVER.WARMUP_START_LR SOLVER.WEIGHT_DECAY TEST.BATCH_SIZE "
            "TRAIN.BATCH_SIZE TRAIN.CHECKPOINT_PERIOD TRAIN.EVAL_PERIOD"
        ),
        "text": (
            "AVA.ANNOTATION_DIR AVA.EXCLUSION_FILE AVA.FRAME_DIR AVA.FRAME_LIST_DIR "
            "AVA.GROUNDTRUTH_FILE AVA.LABEL_MAP_FILE MODEL.ARCH MODEL.HEAD_ACT "
            "MODEL.LOSS_FUNC MODEL.MODEL_NAME NONLOCAL.INSTANTIATION OUTPUT_DIR "
            "RESNET.TRANS_FUNC SOLVER.LR_POLICY SOLVER.OPTIMIZING_METHOD TEST.DATASET "
            "TRAIN.DATASET"
        ),
        "truth": (
            "AVA.FULL_TEST_ON_VAL BN.USE_PRECISE_STATS DATA_LOADER.PIN_MEMORY "
            "DETECTION.ALIGNED DETECTION.ENABLE RESNET.STRIDE_1X1 RESNET.ZERO_INIT_FINAL_BN "
            "TEST.ENABLE TRAIN.AUTO_RESUME TRAIN.ENABLE"
        ),
    }
)  # fmt: skip

MMACTION2_KEYS = _by_kind(
    {
        "list": (
            "model.backbone.fast_pathway.conv1_kernel "
            "model.backbone.fast_pathway.spatial_strides "
            "model.backbone.slow_pathway.conv1_kernel model.backbone.slow_pathway.dilations "
            "model.backbone.slow_pathway.inflate model.backbone.slow_pathway.spatial_strides "
            "model.data_preprocessor.mean model.data_preprocessor.std "
            "model.roi_head.bbox_head.topk param_scheduler[].milestones "
            "test_dataloader.dataset.pipeline[].scale "
            "train_dataloader.dataset.pipeline[].scale_range train_pipeline[].scale_range "
            "val_dataloader.dataset.pipeline[].scale val_pipeline[].scale"
        ),
        "none": (
            "load_from model.backbone.fast_pathway.pretrained model.backbone.pretrained "
            "model.backbone.slow_pathway.pretrained model.test_cfg.rcnn test_cfg "
            "test_dataloader test_evaluator val_cfg val_dataloader val_evaluator"
        ),
        "none text": (
            "default_hooks.checkpoint.save_best"
        ),
        "number": (
            "auto_scale_lr.base_batch_size default_hooks.checkpoint.interval "
            "default_hooks.logger.interval env_cfg.mp_cfg.opencv_num_threads "
            "log_processor.window_size model.backbone.channel_ratio "
            "model.backbone.fast_pathway.base_channels "
            "model.backbone.fast_pathway.conv1_stride_t model.backbone.fast_pathway.depth "
            "model.backbone.fast_pathway.pool1_stride_t model.backbone.resample_rate "
            "model.backbone.slow_pathway.conv1_stride_t model.backbone.slow_pathway.depth "
            "model.backbone.slow_pathway.pool1_stride_t model.backbone.speed_ratio "
            "model.roi_head.bbox_head.dropout_ratio model.roi_head.bbox_head.in_channels "
            "model.roi_head.bbox_head.num_classes "
            "model.roi_head.bbox_roi_extractor.output_size "
            "model.train_cfg.rcnn.assigner.min_pos_iou "
            "model.train_cfg.rcnn.assigner.neg_iou_thr "
            "model.train_cfg.rcnn.assigner.pos_iou_thr model.train_cfg.rcnn.pos_weight "
            "model.train_cfg.rcnn.sampler.neg_pos_ub model.train_cfg.rcnn.sampler.num "
            "model.train_cfg.rcnn.sampler.pos_fraction num_classes "
            "optim_wrapper.clip_grad.max_norm optim_wrapper.clip_grad.norm_type "
            "optim_wrapper.optimizer.lr optim_wrapper.optimizer.momentum "
            "optim_wrapper.optimizer.weight_decay param_scheduler[].begin "
            "param_scheduler[].end param_scheduler[].gamma param_scheduler[].start_factor "
            "score_threshold test_dataloader.batch_size test_dataloader.dataset.num_classes "
            "test_dataloader.dataset.person_det_score_thr "
            "test_dataloader.dataset.pipeline[].clip_len "
            "test_dataloader.dataset.pipeline[].frame_interval "
            "test_dataloader.dataset.timestamp_start test_dataloader.num_workers "
            "test_evaluator.num_classes train_cfg.max_epochs train_cfg.val_begin "
            "train_cfg.val_interval train_dataloader.batch_size "
            "train_dataloader.dataset.num_classes "
            "train_dataloader.dataset.person_det_score_thr "
            "train_dataloader.dataset.pipeline[].clip_len "
            "train_dataloader.dataset.pipeline[].flip_ratio "
            "train_dataloader.dataset.pipeline[].frame_interval "
            "train_dataloader.dataset.pipeline[].size "
            "train_dataloader.dataset.timestamp_start train_dataloader.num_workers "
            "train_pipeline[].clip_len train_pipeline[].flip_ratio "
            "train_pipeline[].frame_interval train_pipeline[].size val_dataloader.batch_size "
            "val_dataloader.dataset.num_classes val_dataloader.dataset.person_det_score_thr "
            "val_dataloader.dataset.pipeline[].clip_len "
            "val_dataloader.dataset.pipeline[].frame_interval "
            "val_dataloader.dataset.timestamp_start val_dataloader.num_workers "
            "val_evaluator.num_classes val_pipeline[].clip_len val_pipeline[].frame_interval"
        ),
        "text": (
            "annotations default_hooks.checkpoint.type default_hooks.logger.type "
            "default_hooks.param_scheduler.type default_hooks.runtime_info.type "
            "default_hooks.sampler_seed.type default_hooks.timer.type default_scope "
            "env_cfg.dist_cfg.backend env_cfg.mp_cfg.mp_start_method log_level "
            "log_processor.type model._scope_ model.backbone.fast_pathway.type "
            "model.backbone.slow_pathway.type model.backbone.type "
            "model.data_preprocessor._scope_ model.data_preprocessor.format_shape "
            "model.data_preprocessor.type model.init_cfg.checkpoint model.init_cfg.type "
            "model.roi_head.bbox_head.type model.roi_head.bbox_roi_extractor.roi_layer_type "
            "model.roi_head.bbox_roi_extractor.type model.roi_head.type "
            "model.train_cfg.rcnn.assigner.type model.train_cfg.rcnn.sampler.type model.type "
            "optim_wrapper.optimizer.type param_scheduler[].type root test_cfg.type "
            "test_dataloader.dataset.ann_file test_dataloader.dataset.data_prefix.img "
            "test_dataloader.dataset.exclude_file test_dataloader.dataset.filename_tmpl "
            "test_dataloader.dataset.label_file "
            "test_dataloader.dataset.pipeline[].input_format "
            "test_dataloader.dataset.pipeline[].type test_dataloader.dataset.proposal_file "
            "test_dataloader.dataset.type test_dataloader.sampler.type "
            "test_evaluator.ann_file test_evaluator.exclude_file test_evaluator.label_file "
            "test_evaluator.type train_cfg.type train_dataloader.dataset.ann_file "
            "train_dataloader.dataset.data_prefix.img train_dataloader.dataset.exclude_file "
            "train_dataloader.dataset.filename_tmpl train_dataloader.dataset.label_file "
            "train_dataloader.dataset.pipeline[].input_format "
            "train_dataloader.dataset.pipeline[].type train_dataloader.dataset.proposal_file "
            "train_dataloader.dataset.type train_dataloader.sampler.type "
            "train_pipeline[].input_format train_pipeline[].type val_cfg.type "
            "val_dataloader.dataset.ann_file val_dataloader.dataset.data_prefix.img "
            "val_dataloader.dataset.exclude_file val_dataloader.dataset.filename_tmpl "
            "val_dataloader.dataset.label_file "
            "val_dataloader.dataset.pipeline[].input_format "
            "val_dataloader.dataset.pipeline[].type val_dataloader.dataset.proposal_file "
            "val_dataloader.dataset.type val_dataloader.sampler.type val_evaluator.ann_file "
            "val_evaluator.exclude_file val_evaluator.label_file val_evaluator.type "
            "val_pipeline[].input_format val_pipeline[].type vis_backends[].type "
            "visualizer.type visualizer.vis_backends[].type"
        ),
        "truth": (
            "auto_scale_lr.enable default_hooks.logger.ignore_last env_cfg.cudnn_benchmark "
            "log_processor.by_epoch model.backbone.fast_pathway.lateral "
            "model.backbone.slow_pathway.lateral model.roi_head.bbox_head.background_class "
            "model.roi_head.bbox_head.multilabel "
            "model.roi_head.bbox_roi_extractor.with_temporal_pool "
            "model.train_cfg.rcnn.sampler.add_gt_as_proposals param_scheduler[].by_epoch "
            "resume test_dataloader.dataset.pipeline[].collapse "
            "test_dataloader.dataset.pipeline[].test_mode test_dataloader.dataset.test_mode "
            "test_dataloader.persistent_workers test_dataloader.sampler.shuffle "
            "train_dataloader.dataset.pipeline[].collapse "
            "train_dataloader.persistent_workers train_dataloader.sampler.shuffle "
            "train_pipeline[].collapse val_dataloader.dataset.pipeline[].collapse "
            "val_dataloader.dataset.pipeline[].test_mode val_dataloader.dataset.test_mode "
            "val_dataloader.persistent_workers val_dataloader.sampler.shuffle "
            "val_pipeline[].collapse val_pipeline[].test_mode"
        ),
    }
)  # fmt: skip
